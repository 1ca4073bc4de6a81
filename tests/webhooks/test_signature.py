"""Messages carry what the Standard Webhooks specification asks for; its library is the judge."""

import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from authsvc.webhooks.signature import headers, new_secret

BODY = '{"type":"person.registered","data":{"sub":"42"}}'


def test_the_specifications_library_accepts_it() -> None:
    secret = new_secret()
    found = headers("change-7", int(time.time()), BODY, [secret])
    assert Webhook(secret).verify(BODY, found)["data"] == {"sub": "42"}
    assert set(found) == {"webhook-id", "webhook-timestamp", "webhook-signature"}


def test_while_a_secret_rotates_both_are_accepted() -> None:
    new, former = new_secret(), new_secret()
    found = headers("change-7", int(time.time()), BODY, [new, former])
    for secret in (new, former):
        Webhook(secret).verify(BODY, found)


@pytest.mark.parametrize("change", ["body", "id", "time", "secret"])
def test_anything_else_is_refused(change: str) -> None:
    secret, now = new_secret(), int(time.time())
    found = headers("change-7", now, BODY, [secret])
    body = BODY.replace("42", "43") if change == "body" else BODY
    if change == "id":
        found["webhook-id"] = "change-8"
    if change == "time":
        found["webhook-timestamp"] = str(now + 1)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret() if change == "secret" else secret).verify(body, found)


def test_the_published_example_has_its_published_signature() -> None:
    """From the specification's repository (libraries/python/tests)."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    found = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}', [secret])
    assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
