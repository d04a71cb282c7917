"""Google and Microsoft as authorization servers: their addresses, their words, and the client that we are to them.

Google: https://developers.google.com/identity/protocols/oauth2/web-server and
https://developers.google.com/workspace/gmail/imap/xoauth2-protocol. Microsoft:
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow and
https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
"""

from dataclasses import dataclass, field

from django.conf import settings
from oauthlib.oauth2 import WebApplicationClient

from outbound.api.errors import Invalid

VERIFIER_LENGTH = 64


@dataclass(frozen=True)
class Vendor:
    """One authorization server. Its settings: <NAME>_OAUTH_CLIENT_ID, _CLIENT_SECRET, _BASE_URL."""

    name: str
    label: str
    authorize_url: str
    token_url: str
    scope: str
    asks: dict[str, str] = field(default_factory=dict)  # besides what the protocol has

    def setting(self, what: str) -> str:
        return getattr(settings, f"{self.name.upper()}_OAUTH_{what}")

    @property
    def is_set_up(self) -> bool:
        return bool(self.setting("CLIENT_ID") and self.setting("CLIENT_SECRET"))

    @property
    def redirect_uri(self) -> str:
        """Where the person comes back to; it must be registered at the vendor, letter by letter."""
        return f"{public_base()}/oauth/{self.name}/callback"

    def at(self, url: str) -> str:
        """`url` at this deployment's server: another cloud of the vendor, or a test's."""
        base, tenant = self.setting("BASE_URL"), settings.MICROSOFT_OAUTH_TENANT
        url = url.replace("{tenant}", tenant)
        return f"{base}/{url.split('/', 3)[3]}" if base else url

    @property
    def secret(self) -> dict[str, str]:
        return {"client_id": self.setting("CLIENT_ID"), "client_secret": self.setting("CLIENT_SECRET")}


GOOGLE = Vendor(
    name="google",
    label="Google",
    authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
    token_url="https://oauth2.googleapis.com/token",  # noqa: S106  an address
    scope="https://mail.google.com/",
    # Without `consent` a second consent gives no refresh token.
    asks={"access_type": "offline", "prompt": "consent"},
)
MICROSOFT = Vendor(
    name="microsoft",
    label="Microsoft",
    authorize_url="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
    token_url="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",  # noqa: S106  an address
    scope="https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access",
    asks={"prompt": "select_account", "response_mode": "query"},
)
VENDORS = {vendor.name: vendor for vendor in (GOOGLE, MICROSOFT)}


def public_base() -> str:
    """Where browsers find us. Both vendors take localhost without https, to try it out."""
    return settings.PUBLIC_URL or "http://localhost:8000"


def begin_url(mailbox, vendor: Vendor) -> str:
    """Our own page, which binds the consent to the browser that opens it and sends it on to the vendor."""
    return f"{public_base()}{begin_path(mailbox, vendor)}"


def begin_path(mailbox, vendor: Vendor) -> str:
    return f"/oauth/{vendor.name}/begin/{mailbox.pk}"


def vendor_named(name: str, *, field: str = "sign_in") -> Vendor:
    """Invalid (400) when there is none of that name, or it is not set up here: says what to set."""
    if name not in VENDORS:
        raise Invalid.field(field, f"Choose one of {', '.join(VENDORS)}.")
    vendor = VENDORS[name]
    if not vendor.is_set_up:
        raise Invalid.field(field, what_to_set(vendor))
    return vendor


def what_to_set(vendor: Vendor) -> str:
    name = vendor.name.upper()
    return (
        f"Signing in with {vendor.label} is not set up: register {vendor.redirect_uri} there, and set "
        f"{name}_OAUTH_CLIENT_ID and {name}_OAUTH_CLIENT_SECRET. See docs/mailboxes.md."
    )


def authorization(vendor: Vendor, *, email: str, state: str) -> tuple[str, str]:
    """(where to send the person, the PKCE verifier to keep until they come back)."""
    client = WebApplicationClient(vendor.setting("CLIENT_ID"))
    verifier = client.create_code_verifier(VERIFIER_LENGTH)
    url = client.prepare_request_uri(
        vendor.at(vendor.authorize_url), redirect_uri=vendor.redirect_uri, scope=vendor.scope, state=state,
        code_challenge=client.create_code_challenge(verifier, "S256"), code_challenge_method="S256",
        login_hint=email, **vendor.asks,
    )  # fmt: skip
    return url, verifier


def code_body(vendor: Vendor, *, code: str, verifier: str) -> str:
    """The form that turns a code into tokens."""
    client = WebApplicationClient(vendor.setting("CLIENT_ID"))
    return client.prepare_request_body(
        code=code, redirect_uri=vendor.redirect_uri, code_verifier=verifier,
        client_secret=vendor.setting("CLIENT_SECRET"),
    )  # fmt: skip


def refresh_body(vendor: Vendor, *, refresh_token: str) -> str:
    client = WebApplicationClient(vendor.setting("CLIENT_ID"))
    return client.prepare_refresh_body(refresh_token=refresh_token, **vendor.secret)
