"""A person connects a mailbox with Google or Microsoft: from the admin or a REST answer, to the vendor and back."""

import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from apikeys.services import add_member
from sending.models import Mailbox, MailboxGrant
from tests import make
from tests.base import Api
from tests.sending.test_consent import XOAUTH2, set_up
from tests.servers.scripted_smtp import ScriptedSmtp
from tests.vendors.oauth import OAuthServer


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


def follow(url: str) -> str:
    """Ask the vendor as a browser would: where it sends the person to."""
    try:
        urllib.request.build_opener(Stay).open(url)
    except urllib.error.HTTPError as answer:
        assert answer.code == 302, answer.read()
        return answer.headers["Location"]
    raise AssertionError("no redirect")


@pytest.fixture(params=["google", "microsoft"])
def vendor(request, settings, monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the stand-in speaks plain http
    with OAuthServer(request.param) as server:
        set_up(settings, server)
        yield server


@pytest.fixture
def smtp(vendor):
    with ScriptedSmtp(features=XOAUTH2, tokens=vendor.tokens) as server:
        yield server


@pytest.fixture
def box(live, vendor, smtp):
    return make.mailbox(
        live, sign_in=vendor.vendor, smtp_host="127.0.0.1", smtp_port=smtp.port, smtp_security="none", imap_host=""
    )


def person(workspace, name: str) -> Client:
    user = get_user_model().objects.create_user(f"{name}@x.test", is_staff=True, password="correct horse battery")
    add_member(workspace=workspace, user=user)
    client = Client()
    client.force_login(user)
    return client


def begin(client, box, vendor) -> str:
    answer = client.get(f"/oauth/{vendor.vendor}/begin/{box.pk}")
    assert answer.status_code == 302
    return answer["Location"]


def come_back(client, url: str) -> list[str]:
    answer = client.get(urlsplit(url).path + "?" + urlsplit(url).query, follow=True)
    return [str(said) for said in answer.context["messages"]]


class TestThroughTheBrowser:
    def test_a_mailbox_is_connected_by_rest_and_a_persons_consent(self, live, vendor, smtp):
        api = Api(make.key(live))
        made = api.data("POST", "/mailboxes", {
            "email": "hi@you.example", "sign_in": vendor.vendor, "smtp_host": "127.0.0.1", "smtp_port": smtp.port,
            "smtp_security": "none", "imap_host": "",
        })  # fmt: skip
        assert made["smtp_status"] == "failing"
        assert "has to sign in" in made["connection_detail"]
        url = api.data("POST", f"/mailboxes/{made['id']}/authorize", {})["url"]
        assert url == f"https://outbound.test/oauth/{vendor.vendor}/begin/{made['id']}"
        client = person(live, "ann")
        said = come_back(client, follow(client.get(urlsplit(url).path)["Location"]))
        assert "is connected with" in said[0]
        assert Mailbox.objects.get().connection_status == "active"
        assert MailboxGrant.objects.get().authorized_by == "ann@x.test"
        assert vendor.asked[0]["login_hint"] == "hi@you.example"
        shown = api("GET", f"/mailboxes/{made['id']}").content.decode()
        assert not any(secret in shown for secret in vendor.given)

    def test_a_consent_comes_back_once_and_only_to_the_browser_that_asked(self, live, box, vendor):
        ann, eve = person(live, "ann"), person(live, "eve")
        back = follow(begin(ann, box, vendor))
        assert "not asked for from here" in come_back(eve, back)[0]
        assert not MailboxGrant.objects.exists()
        assert "is connected" in come_back(ann, back)[0]
        assert "not asked for from here" in come_back(ann, back)[0]
        assert vendor.codes == 1

    def test_a_code_that_another_slipped_in_is_worth_nothing(self, live, box, vendor):
        ann, eve = person(live, "ann"), person(live, "eve")
        stolen = parse_qs(urlsplit(follow(begin(eve, box, vendor))).query)["code"][0]
        mine = urlsplit(begin(ann, box, vendor))
        state = parse_qs(mine.query)["state"][0]
        said = come_back(ann, f"/oauth/{vendor.vendor}/callback?code={stolen}&state={state}")
        assert "Connect it again" in said[0]
        assert not MailboxGrant.objects.exists()

    def test_a_consent_that_is_not_given_changes_nothing(self, live, box, vendor):
        vendor.denies = True
        client = person(live, "ann")
        assert "was not given the consent" in come_back(client, follow(begin(client, box, vendor)))[0]
        assert not MailboxGrant.objects.exists()

    def test_a_consent_of_another_account_is_told(self, live, box, vendor, smtp):
        smtp.tokens = ()
        client = person(live, "ann")
        said = come_back(client, follow(begin(client, box, vendor)))
        assert "Was the consent given as" in said[0]

    def test_strangers_and_viewers_may_not_ask(self, live, box, vendor, rival):
        assert Client().get(f"/oauth/{vendor.vendor}/begin/{box.pk}")["Location"].startswith("/admin/login/")
        assert person(rival, "eve").get(f"/oauth/{vendor.vendor}/begin/{box.pk}").status_code == 404
        assert Api(make.key(rival))("POST", f"/mailboxes/{box.pk}/authorize", {}).status_code == 404

    def test_the_admin_offers_the_button(self, live, box, vendor):
        client = person(live, "ann")
        page = client.get(f"/admin/sending/mailbox/{box.pk}/change/").content.decode()
        assert "Sign in with " + ("Google" if vendor.vendor == "google" else "Microsoft") in page
        answer = client.post(f"/admin/sending/mailbox/{box.pk}/do/{vendor.vendor}/")
        assert answer["Location"] == f"/oauth/{vendor.vendor}/begin/{box.pk}"


def test_a_vendor_that_is_not_set_up_says_what_to_set(live, settings):
    settings.GOOGLE_OAUTH_CLIENT_ID = ""
    box = make.mailbox(live, sign_in="google")
    answer = Api(make.key(live))("POST", f"/mailboxes/{box.pk}/authorize", {})
    assert answer.status_code == 400
    assert "GOOGLE_OAUTH_CLIENT_ID" in answer.json()["error"]
