"""Places and ends a call and brings two together with the carrier's own library, over plain HTTP to the
address of argv[1]. The document that ours sends with it is what the library would have written."""

import json
import sys
import xml.etree.ElementTree as ET

sys.path.insert(0, sys.argv[2])

from twilio.http.http_client import TwilioHttpClient  # noqa: E402
from twilio.rest import Client  # noqa: E402
from twilio.twiml.voice_response import Dial, VoiceResponse  # noqa: E402


class Here(TwilioHttpClient):
    def request(self, method, url, *args, **kwargs):
        return super().request(method, url.replace("https://api.twilio.com", sys.argv[1]), *args, **kwargs)


given = json.load(sys.stdin)
client = Client(given["account"], given["token"], http_client=Here())
call = client.calls.create(**given["call"])
client.calls(call.sid).update(status="completed")

moved = given["move"]
name = ET.fromstring(moved["twiml"]).find("Dial/Conference").text
dial = Dial(action=moved["action"], method="POST")
dial.conference(
    name,
    beep="false",
    start_conference_on_enter=True,
    end_conference_on_exit=True,
    wait_url="",
    status_callback=moved["news"],
    status_callback_event="start end",
    status_callback_method="POST",
)
official = VoiceResponse()
official.append(dial)
canonical = [ET.canonicalize(text, strip_text=True) for text in (moved["twiml"], str(official))]
assert canonical[0] == canonical[1], f"\n{canonical[0]}\n{canonical[1]}"
for sid in moved["who"]:
    client.calls(sid).update(twiml=moved["twiml"], time_limit=14400)
print(call.sid)
