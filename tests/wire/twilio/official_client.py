"""Places and ends a call with the carrier's own library, over plain HTTP to the address of argv[1]."""

import json
import sys

sys.path.insert(0, sys.argv[2])

from twilio.http.http_client import TwilioHttpClient  # noqa: E402
from twilio.rest import Client  # noqa: E402


class Here(TwilioHttpClient):
    def request(self, method, url, *args, **kwargs):
        return super().request(method, url.replace("https://api.twilio.com", sys.argv[1]), *args, **kwargs)


given = json.load(sys.stdin)
client = Client(given["account"], given["token"], http_client=Here())
call = client.calls.create(**given["call"])
client.calls(call.sid).update(status="completed")
print(call.sid)
