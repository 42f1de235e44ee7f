"""A small client of Chromium's DevTools protocol over its pipe: JSON objects, each ended by a zero byte."""

import json
import os
import select
import subprocess
import time


class Browser:
    def __init__(self, program, profile, flags):
        to_us, from_browser = os.pipe()
        to_browser, from_us = os.pipe()

        def place():
            # The browser reads from 3 and writes to 4.
            os.dup2(to_browser, 13)
            os.dup2(from_browser, 14)
            os.dup2(13, 3)
            os.dup2(14, 4)

        command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--no-first-run", "--remote-debugging-pipe", f"--user-data-dir={profile}", *flags, "about:blank"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, preexec_fn=place, close_fds=False)
        os.close(to_browser)
        os.close(from_browser)
        self.read, self.write = to_us, from_us
        self.buffer, self.events, self.last = b"", [], 0

    def receive(self, until):
        while b"\0" not in self.buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.read], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            piece = os.read(self.read, 1 << 16)
            if not piece:
                raise ConnectionError("the browser has ended")
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method, params=None, session=None, within=60):
        self.last += 1
        request = {"id": self.last, "method": method, "params": params or {}}
        if session:
            request["sessionId"] = session
        os.write(self.write, json.dumps(request).encode() + b"\0")
        until = time.monotonic() + within
        while True:
            message = self.receive(until)
            if message.get("id") == self.last:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def close(self):
        try:
            self.ask("Browser.close", within=10)
            self.process.wait(10)
        except Exception:
            self.process.kill()
            self.process.wait()


class Page:
    def __init__(self, browser, url, first=None):
        """`first`: a script that runs before any of the page's own."""
        self.browser = browser
        target = browser.ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.session = browser.ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            browser.ask(f"{domain}.enable", session=self.session)
        if first:
            browser.ask("Page.addScriptToEvaluateOnNewDocument", {"source": first}, self.session)
        browser.ask("Page.navigate", {"url": url}, session=self.session)

    def run(self, script, within=60):
        params = {"expression": script, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        result = self.browser.ask("Runtime.evaluate", params, self.session, within)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, what, script, within):
        """Waits until the script says yes."""
        end = time.monotonic() + within
        while True:
            found = self.run(f"!!({script})")
            if found:
                return
            if time.monotonic() > end:
                seen = self.run("document.querySelector('main')?.innerText || document.body?.innerText || ''")
                raise TimeoutError(f"{what}: it did not come about. The page shows:\n{seen}")
            time.sleep(0.2)

    def faults(self):
        """What the page's console complained of."""
        found = []
        for event in self.browser.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"].get("text", "") + str(params["exceptionDetails"].get("exception")))
            if event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        return found
