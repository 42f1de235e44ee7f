"""The carrier's own Python library against a running box: official_sdk.py BASE_URL AUTH_TOKEN.

It signs requests with RequestValidator, and checks that our TwiML is what its VoiceResponse would
have written."""

import http.client
import sys
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET

from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Connect, Gather, Stream, VoiceResponse

base, token = sys.argv[1:3]
validator = RequestValidator(token)
FORM = {
    "CallSid": "CA00000000000000000000000000000042",
    "AccountSid": "AC00000000000000000000000000000009",
    "From": "+919876543210",
    "To": "+914440001234",
    "CallStatus": "ringing",
    "Direction": "inbound",
    "FromCity": "",
    "CallerName": "रमेश & 'Sons' +1",
}


def send(path, form=None, body=None, kind="application/x-www-form-urlencoded", signature=None):
    if form is not None:
        body = urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(base + path, data=body, headers={"X-Twilio-Signature": signature})
    if body is not None:
        request.add_header("Content-Type", kind)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request) as answer:
            return answer.status, answer.headers.get("Content-Type", ""), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, "", error.read().decode()


def same(ours, official):
    canonical = [ET.canonicalize(text, strip_text=True) for text in (ours, str(official))]
    assert canonical[0] == canonical[1], f"\n{canonical[0]}\n{canonical[1]}"


# The menu.
path = "/voice/incoming?agent=a%20b"
status, kind, menu = send(path, FORM, signature=validator.compute_signature(base + path, FORM))
assert status == 200 and kind.startswith("text/xml"), (status, kind)
following = f"{base}/voice/language-selected?attempt=1&agent=a+b"
gather = Gather(input="dtmf", action=following, method="POST", timeout=6, finish_on_key="", num_digits=1)
gather.say("language_menu en 1", language="en-IN")
gather.play(f"{base}/voice/prompt/language_menu.hi-IN.2.wav")
official = VoiceResponse()
official.append(gather)
official.redirect(following, method="POST")
same(menu, official)

# The stream.
path = "/voice/language-selected?attempt=1"
pressed = dict(FORM, Digits="2", CallStatus="in-progress")
status, _, twiml = send(path, pressed, signature=validator.compute_signature(base + path, pressed))
assert status == 200, status
stream = ET.fromstring(twiml).find("Connect/Stream")
official = VoiceResponse()
official.play(f"{base}/voice/prompt/language_confirmed.hi-IN.wav")
offered = Stream(url=base.replace("http", "ws", 1) + "/media-stream", status_callback=stream.get("statusCallback"), status_callback_method="POST")
for parameter in stream:
    offered.parameter(name=parameter.get("name"), value=parameter.get("value"))
connect = Connect()
connect.append(offered)
official.append(connect)
call = stream.get("statusCallback").rsplit("/", 1)[1]
official.redirect(f"{base}/voice/after-stream?call={call}&resumed=0", method="POST")
same(twiml, official)
assert [p.get("name") for p in stream] == ["token", "lang"]

# A GET, a JSON body, a wrong signature.
query = "/voice/after-stream?" + urllib.parse.urlencode(FORM)
status, _, bye = send(query, signature=validator.compute_signature(base + query, {}))
assert status == 200, status
official = VoiceResponse()
official.hangup()
same(bye, official)
body = '{"a": 1, "b": "x y"}'
path = "/voice/after-stream?bodySHA256=" + validator.compute_hash(body)
signature = validator.compute_signature(base + path, {})
assert send(path, body=body.encode(), kind="application/json", signature=signature)[0] == 200
assert send(path, body=b"{}", kind="application/json", signature=signature)[0] == 403
wrong = RequestValidator("another token").compute_signature(base + "/voice/incoming", FORM)
assert send("/voice/incoming", FORM, signature=wrong)[0] == 403

# The upgrade.
where = urllib.parse.urlsplit(base)
for url, expected in [(base.replace("http", "ws", 1), 101), ("wss://elsewhere.example", 403)]:
    connection = http.client.HTTPConnection(where.hostname, where.port)
    connection.request("GET", "/media-stream", headers={
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "X-Twilio-Signature": validator.compute_signature(url + "/media-stream", {}),
    })
    answer = connection.getresponse()
    assert answer.status == expected, (url, answer.status)
    connection.close()
print("the official SDK agrees")
