"""A real Chromium calls the real daemon over HTTPS and WebRTC.

The page /call is opened with a token, a recorded question is the microphone, and what must come about is
looked for on the page (the words, the answer, the times) and in the sound that the browser received, which
the box's own recogniser writes down.
"""

import argparse
import base64
import json
import os
import pathlib
import re
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import wave

from devtools import Browser, Page
from path import DETOUR, Path

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECORD = """(() => {
  const sounds = new AudioContext({ sampleRate: 16000 });
  const ear = sounds.createScriptProcessor(4096, 1, 1);
  window.heard = [];
  ear.onaudioprocess = ({ inputBuffer }) => window.heard.push(inputBuffer.getChannelData(0).slice());
  sounds.createMediaStreamSource(document.getElementById("voice").srcObject).connect(ear);
  ear.connect(sounds.destination);
  return sounds.resume().then(() => sounds.sampleRate);
})()"""
HEARD = """(() => {
  const bytes = new Uint8Array(window.heard.length * 4096 * 2);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const block of window.heard) for (const s of block) {
    view.setInt16(at, Math.max(-32768, Math.min(32767, Math.round(s * 32767))), true);
    at += 2;
  }
  let text = "";
  for (let from = 0; from < bytes.length; from += 32768) text += String.fromCharCode(...bytes.subarray(from, from + 32768));
  return btoa(text);
})()"""


def microphone(clip, to, before, after):
    """The clip at 48 kHz with silence around it: the file is played in a circle."""
    with wave.open(str(clip)) as file:
        rate, pcm = file.getframerate(), file.readframes(file.getnframes())
    assert rate == 8000, rate
    samples = memoryview(pcm).cast("h")
    wide = bytearray()
    for at, sample in enumerate(samples):
        following = samples[at + 1] if at + 1 < len(samples) else 0
        for step in range(6):
            wide += int(sample + (following - sample) * step / 6).to_bytes(2, "little", signed=True)
    with wave.open(str(to), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(bytes(2 * 48000 * before) + bytes(wide) + bytes(2 * 48000 * after))


def write(file, pcm):
    """16-bit samples at 16 kHz."""
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(pcm)


def words(text):
    return [word for word in re.split(r"[^\w\u0900-\u097f]+", text.lower()) if word]


class Box:
    """The daemon with a state of its own."""

    def __init__(self, target, state, config):
        self.programs = target / "debug"
        self.token = secrets.token_hex(32)
        self.env = {
            **os.environ,
            "VAANI_API__TOKEN": self.token,
            "VAANI_STATE__DIR": str(state),
            "VAANI_WEBRTC__ENABLED": "true",
            "VAANI_HTTP__TLS_LISTEN": "127.0.0.1:0",
            "VAANI_DATA__MODELS_DIR": str(ROOT / "models"),
            "VAANI_DATA__LIB_DIR": str(target / "vaani-runtime"),
            "VAANI_DATA__ENGINES_DIR": str(self.programs),
            "VAANI_LOG__LEVEL": os.environ.get("VAANI_LOG__LEVEL", "warn,vaani::telephony=info"),
        }
        self.config = str(config)
        command = [str(self.programs / "vaani"), "serve", "--announce", "--listen", "127.0.0.1:0", "--config", self.config]
        self.process = subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("browser-call: the daemon did not start")
        self.url = "https://" + json.loads(line)["tls"]
        self.plain = "http://" + json.loads(line)["listening"]

    def get(self, path, trust=None, method="GET", body=None, headers=None):
        headers = {"authorization": f"Bearer {self.token}", **(headers or {})}
        base = self.url if trust else self.plain
        request = urllib.request.Request(base + path, method=method, headers=headers, data=body)
        with urllib.request.urlopen(request, context=trust, timeout=30) as answer:
            return answer.read()

    def healthy(self, within):
        """Until all engines answer; a box that is not well says so with 503."""
        end = time.monotonic() + within
        while True:
            try:
                health = json.loads(self.get("/health"))
            except urllib.error.HTTPError as answer:
                health = json.loads(answer.read())
            engines = [part for part in health["components"] if part["name"].startswith("engine/")]
            if engines and all(part["status"] == "ok" for part in engines):
                return
            if time.monotonic() > end:
                raise AssertionError(f"the engines are not ready: {engines}")
            time.sleep(0.5)

    def transcribe(self, file, language):
        command = [str(self.programs / "vaani"), "transcribe", "--config", self.config, "--json", "--language", language, str(file)]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=300, check=True)
        return json.loads(done.stdout.splitlines()[0])["text"]

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def spki(pem):
    """The hash by which a browser is told to trust one key."""
    public = subprocess.run(["openssl", "x509", "-pubkey", "-noout"], input=pem, capture_output=True, check=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=public, capture_output=True, check=True).stdout
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-binary"], input=der, capture_output=True, check=True).stdout
    return base64.b64encode(digest).decode()


def try_call(args, scratch):
    clip = ROOT / "models/starter/stt/eval/hi-40.wav"
    microphone(clip, scratch / "mic.wav", before=args.quiet, after=25 if args.carry_on else 120)
    box = Box(args.target, scratch / "state", args.config)
    try:
        authority = box.get("/ca.crt")
        (scratch / "ca.crt").write_bytes(authority)
        # A client that trusts the box's authority and nothing else gets the page.
        trust = ssl.create_default_context(cafile=str(scratch / "ca.crt"))
        page = box.get("/call", trust=trust)
        assert b"<h1>Call an agent</h1>" in page
        box.healthy(180)
        wanted = json.dumps({"name": "page", "scopes": ["calls_place"], "seconds": 600}).encode()
        token = json.loads(box.get("/api/tokens", trust, "POST", wanted, {"content-type": "application/json"}))["token"]
        flags = [
            f"--ignore-certificate-errors-spki-list={spki(authority)}",
            "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={scratch / 'mic.wav'}",
            "--allow-loopback-in-peer-connection", "--autoplay-policy=no-user-gesture-required",
        ]
        browser = Browser(args.chromium, scratch / "profile", flags)
        try:
            return in_browser(args, scratch, box, browser, f"{box.url}/call#token={token}")
        finally:
            browser.close()
    finally:
        status = box.stop()
        if status != 0:
            raise SystemExit(f"browser-call: the daemon ended with {status}")


def in_browser(args, scratch, box, browser, url):
    paths = [Path() for _ in range(4)] if args.carry_on else []
    page = Page(browser, url, DETOUR % [path.port() for path in paths])
    page.until("agents are listed", "document.getElementById('agent')?.options.length > 0", 30)
    page.run(f"document.getElementById('agent').value = {json.dumps(args.agent)}")
    began = time.monotonic()
    page.run("document.getElementById('call').click()")
    if paths:
        lead(page, paths, 0)
    page.until("the line is open", "document.getElementById('state').textContent === 'On the line'", 30)
    opened = time.monotonic() - began
    page.run(RECORD)
    lines = "Array.from(document.querySelectorAll('#lines li'), (li) => [li.className, li.innerText.split('\\n').slice(1).join(' '), li.lastChild.lang])"
    page.until("the greeting is on the page", "document.querySelector('#lines li.agent')", 60)
    page.until("the question is on the page", "document.querySelector('#lines li.caller')", args.quiet + 60)
    asked = page.run("document.querySelectorAll('#lines li').length")
    blocks = page.run("window.heard.length")
    page.until("the answer is on the page", f"Array.from(document.querySelectorAll('#lines li')).slice({asked}).some((li) => li.className === 'agent')", 90)
    page.until("the times are on the page", "!document.getElementById('times').hidden", 30)
    times = page.run("document.getElementById('times').innerText")
    # The answer's sound follows its words; then a key, then the end.
    time.sleep(5)
    page.run("Array.from(document.querySelectorAll('#keys button')).find((key) => key.textContent === '1').click()")
    time.sleep(0.5)
    talk = page.run(lines)
    sound = base64.b64decode(page.run(HEARD))
    carried = carried_on(page, paths, len(talk)) if args.carry_on else None
    page.run("document.getElementById('hangup').click()")
    page.until("the call is over", "!document.getElementById('call').disabled", 20)
    faults = page.faults()
    assert not faults, faults

    # What came before the question, and what came after it: both must be in the sound.
    cut = blocks * 4096 * 2
    report = {"line_open_ms": round(1000 * opened), "talk": talk, "times": times.split("\n"), "carried_on": carried}
    shares = {}
    for name, part, lines in (("greeting", sound[:cut], talk[:asked]), ("answer", sound[cut:], talk[asked:])):
        file = scratch / f"{name}.wav"
        write(file, part)
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            (args.keep / file.name).write_bytes(file.read_bytes())
        said = [line for line in lines if line[0] == "agent"]
        written = box.transcribe(file, said[-1][2])
        wanted = set(words(" ".join(text for _, text, _ in said)))
        shares[name] = len(wanted & set(words(written))) / len(wanted)
        report[name] = {"seconds": round(len(part) / 32000, 1), "written": written, "share": round(shares[name], 2)}
    print(json.dumps(report, ensure_ascii=False, indent=1))
    question = next(text for kind, text, _ in talk if kind == "caller")
    right = set(words("सच बताइए आप आदमी हैं या रोबोट"))
    assert len(right & set(words(question))) >= 4, f"the question was heard as {question!r}"
    # A starter model hears a voice that was coded twice; other sound has nothing in common with the words.
    assert all(share >= 0.4 for share in shares.values()), f"the words are not in the sound: {shares}"
    live = json.loads(box.get("/sessions"))
    end = time.monotonic() + 15
    while live and time.monotonic() < end:
        time.sleep(0.2)
        live = json.loads(box.get("/sessions"))
    assert not live, f"calls are left: {live}"


def lead(page, paths, number):
    """Tells the page's connection of that number where its path leads."""
    page.until("the page connects", f"window.targets.length > {number}", 60)
    paths[number].target = tuple(page.run(f"window.targets[{number}]"))


def carried_on(page, paths, lines):
    """The path of the page's packets is cut without a word; the page finds out, makes another connection, and
    one more turn is held."""
    state = "document.getElementById('state').textContent"
    paths[0].cut = True
    began = time.monotonic()
    page.until("the page sees that the connection is gone", f"{state} !== 'On the line'", 40)
    noticed = time.monotonic() - began
    lead(page, paths, 1)
    page.until("the call goes on", f"{state} === 'On the line'", 40)
    back = time.monotonic() - began
    later = f"Array.from(document.querySelectorAll('#lines li'), (li) => li.className).slice({lines})"
    page.until("another question is heard", f"{later}.includes('caller')", 120)
    page.until("another answer is on the page", f"{later}.lastIndexOf('agent') > {later}.indexOf('caller')", 90)
    return {"noticed_after_ms": round(1000 * noticed), "back_after_ms": round(1000 * back)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--target", type=pathlib.Path, required=True)
    parser.add_argument("--config", type=pathlib.Path, default=ROOT / "config")
    parser.add_argument("--agent", default="helpdesk")
    parser.add_argument("--quiet", type=int, default=10, help="seconds before the question")
    parser.add_argument("--carry-on", action="store_true", help="cut the connection in the middle; the page carries the call on")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for the sound that the browser heard")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vaani-browser-") as scratch:
        try:
            try_call(args, pathlib.Path(scratch))
        except (AssertionError, TimeoutError, RuntimeError, ConnectionError) as fault:
            sys.exit(f"browser-call: {fault}")
    print("browser-call: a browser called, was answered and heard the answer", file=sys.stderr)


main()
