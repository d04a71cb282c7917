"""What a person need not say when they connect a mailbox, and what they are told when it does not work."""

from dataclasses import dataclass

import pytest

from outbound.api.errors import Invalid
from sending import presets
from tests import make
from tests.base import Api
from tests.servers.scripted_smtp import ScriptedSmtp


@dataclass
class Box:
    smtp_host: str = "smtp.example.com"
    smtp_port: int = 587
    smtp_security: str = "starttls"
    imap_port: int = 993
    imap_security: str = "tls"
    username: str = "hi@you.example"
    sign_in: str = "password"


@pytest.mark.parametrize(
    ("email", "host"),
    [("a@gmail.com", "smtp.gmail.com"), ("a@outlook.com", "smtp.office365.com"), ("a@icloud.com", "smtp.mail.me.com")],
)
def test_of_a_large_provider_the_address_and_a_secret_are_enough(live, email, host):
    found = presets.completed(workspace=live, email=email, password="secret")
    assert (found["smtp_host"], found["username"]) == (host, email)


def test_consent_names_the_servers_too(live):
    found = presets.completed(workspace=live, email="hi@you.example", sign_in="microsoft")
    assert (found["smtp_host"], found["imap_host"]) == ("smtp.office365.com", "outlook.office365.com")


@pytest.mark.parametrize(
    ("email", "host", "most"),
    [("a@gmail.com", "smtp.gmail.com", 250), ("a@you.example", "smtp.gmail.com", 500),
     ("a@you.example", "smtp.office365.com", 300)],
)  # fmt: skip
def test_a_limit_above_the_providers_is_refused_with_the_reason(email, host, most):
    presets.refuse_too_much(email=email, smtp_host=host, daily_limit=most)
    with pytest.raises(Invalid, match=f"lets out {most} mails a day"):
        presets.refuse_too_much(email=email, smtp_host=host, daily_limit=most + 1)


def test_advice_is_made_of_the_settings_alone():
    assert presets.advice(Box()) == {}
    assert presets.advice(Box(smtp_port=465)) == {
        "smtp_security": ["Port 465 is encrypted from the first byte: choose tls."]
    }
    assert "password" in presets.advice(Box(smtp_host="smtp.gmail.com"))
    assert "password" not in presets.advice(Box(smtp_host="smtp.gmail.com", sign_in="google"))


def test_the_same_settings_get_the_same_answer_whatever_the_server_did(live):
    """S12: neither the sentence nor the advice tells a port that is closed from one that refuses."""
    api, answers = Api(make.key(live)), set()
    with ScriptedSmtp({"auth": "535 5.7.8 No"}, features=("AUTH PLAIN",)) as server:
        body = {"email": "hi@you.example", "smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_security": "none",
                "username": "ann", "password": "wrong"}  # fmt: skip
        answers.add(_said(api("POST", "/mailboxes", body)))
    answers.add(_said(api("POST", "/mailboxes", body)))  # nobody listens there any more
    assert len(answers) == 1
    assert "user name" in next(iter(answers))


def _said(answer) -> str:
    assert answer.status_code == 400
    body = answer.json()
    return f"{body['error']} {body['details']}"
