"""Verifies webhooks with the official library of Standard Webhooks. Reads JSON lines of what arrived."""
import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

for line in sys.stdin:
    arrived = json.loads(line)
    for secret in arrived["secrets"]:
        assert Webhook(secret).verify(arrived["body"], arrived["headers"]) == json.loads(arrived["body"])
    for wrong in arrived["wrong"]:
        try:
            Webhook(wrong).verify(arrived["body"], arrived["headers"])
        except WebhookVerificationError:
            continue
        raise SystemExit("a secret that signs nothing was accepted")
    try:
        Webhook(arrived["secrets"][0]).verify(arrived["body"] + " ", arrived["headers"])
    except WebhookVerificationError:
        print("ok")
    else:
        raise SystemExit("a changed body was accepted")
