"""The workspace, keys and tokens: what may be sent, what is shown."""

from urllib.parse import urlsplit

from django.conf import settings
from django.core.validators import RegexValidator, URLValidator
from django.http.request import validate_host
from rest_framework import serializers

from apikeys.models import Membership, check_timezone
from apikeys.scopes import ALL_SCOPES
from outbound.api.serializers import Flag, Input, Moment, Output, Text
from outbound.clock import real_now

# Settings end up in mails: lines may be broken, nothing else may be hidden in them.
PRINTABLE = RegexValidator(r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]*\Z", "Control characters are not allowed.")


class WorkspaceInput(Input):
    # Not the name: names are unique in the deployment, so trying some would tell who else is here.
    timezone = serializers.CharField(
        max_length=64, required=False, validators=[check_timezone], help_text="IANA name, such as Europe/Madrid."
    )
    postal_address = serializers.CharField(
        max_length=300,
        required=False,
        allow_blank=True,
        validators=[PRINTABLE],
        help_text="Stands at the foot of every mail; a live launch needs it.",
    )
    public_url = serializers.CharField(
        max_length=200,
        required=False,
        allow_blank=True,
        validators=[URLValidator(schemes=["https", "http"])],
        help_text="Where unsubscribe links point: https://outbound.example.com. Blank: the deployment's PUBLIC_URL.",
    )
    tracking_url = serializers.CharField(
        max_length=200,
        required=False,
        allow_blank=True,
        validators=[URLValidator(schemes=["https", "http"])],
        help_text="Where tracked links and images point: a domain of yours that leads to this server, https when live. "
        "Blank: the public_url.",
    )
    confirm_launch_above = serializers.IntegerField(
        min_value=0,
        max_value=1_000_000,
        required=False,
        help_text="A tool's launch to more leads than this needs the confirm_token of its dry run.",
    )
    require_validation = Flag(
        required=False, help_text="Leads wait until their address was validated, at enrollment and again at each mail."
    )

    ai_monthly_limit = serializers.DecimalField(
        max_digits=10, decimal_places=2, min_value=0, required=False, allow_null=True,
        help_text="Dollars a calendar month (UTC) for the model; null: the deployment's AI_MONTHLY_LIMIT.",
    )  # fmt: skip

    def validate_public_url(self, value):
        return _base_url(value)

    def validate_tracking_url(self, value):
        if not value or not self.context["workspace"].livemode:
            return _base_url(value)
        if urlsplit(value).scheme != "https":
            raise serializers.ValidationError("Give an address that starts with https://.")
        if not validate_host(urlsplit(value).hostname or "", settings.ALLOWED_HOSTS):
            raise serializers.ValidationError("This server does not answer to that host. Add it to ALLOWED_HOSTS.")
        return _base_url(value)


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise serializers.ValidationError("Only a host and a path: no user, query or fragment.")
    return value.rstrip("/")


class WorkspaceOutput(Output):
    id = serializers.CharField()
    name = serializers.CharField()
    slug = serializers.CharField()
    tier = serializers.CharField()
    status = serializers.CharField()
    livemode = serializers.BooleanField(help_text="A test workspace sends no mail and calls no model.")
    timezone = serializers.CharField()
    postal_address = Text()
    public_url = Text()
    tracking_url = Text()
    confirm_launch_above = serializers.IntegerField()
    require_validation = serializers.BooleanField()
    ai_monthly_limit = serializers.DecimalField(
        max_digits=10, decimal_places=2, allow_null=True, help_text="Dollars a month for the model, as text."
    )


class KeyInput(Input):
    name = serializers.CharField(max_length=80, help_text="What it is for, such as: Zapier production.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=ALL_SCOPES),
        allow_empty=False,
        max_length=len(ALL_SCOPES),
        help_text="What it may do: the least that is enough, and nothing that the caller may not.",
    )
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="ISO 8601; without one it lives until it is revoked."
    )

    ai_monthly_limit = serializers.DecimalField(
        max_digits=10, decimal_places=2, min_value=0, required=False, allow_null=True,
        help_text="Dollars a calendar month (UTC) that it may spend on the model; null: as much as the workspace.",
    )  # fmt: skip

    def validate_expires_at(self, value):
        if value is not None and value <= real_now():
            raise serializers.ValidationError("This moment has passed.")
        return value


class KeyOutput(Output):
    id = serializers.CharField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="Scheme and first eight characters, to recognise it by.")
    scopes = serializers.ListField(child=serializers.CharField())
    livemode = serializers.BooleanField(source="workspace.livemode")
    last_used_at = Moment(allow_null=True)
    expires_at = Moment(allow_null=True)
    ai_monthly_limit = serializers.DecimalField(
        max_digits=10, decimal_places=2, allow_null=True, help_text="Dollars a month for the model, as text."
    )
    created_at = Moment()


class NewKeyOutput(KeyOutput):
    key = serializers.CharField(help_text="The key itself. It is shown this once.")


class SignInInput(Input):
    email = serializers.CharField(max_length=254, required=False, help_text="E-mail address; or send `username`.")
    username = serializers.CharField(max_length=150, required=False, help_text="The name you sign in with.")
    password = serializers.CharField(
        max_length=1024, trim_whitespace=False, write_only=True, help_text="The password you sign in with."
    )
    workspace = serializers.CharField(
        max_length=80,
        allow_blank=True,
        default="",
        help_text="Slug, name or id; needed when you are a member of several.",
    )

    def validate(self, data):
        if ("email" in data) == ("username" in data):
            raise serializers.ValidationError({"email": ["Send either email or username."]})
        return data


class RefreshInput(Input):
    refresh = serializers.CharField(max_length=4096, help_text="The refresh token of the sign-in.")


class TokenWorkspaceOutput(Output):
    id = serializers.CharField()
    name = serializers.CharField()
    slug = serializers.CharField()
    livemode = serializers.BooleanField()


class AccessOutput(Output):
    access = serializers.CharField(help_text="Send it as: Authorization: Bearer …")
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds.")
    role = serializers.ChoiceField(choices=Membership.Role.choices)
    scopes = serializers.ListField(child=serializers.CharField(), help_text="What the role may do today.")
    workspace = TokenWorkspaceOutput()


class TokensOutput(AccessOutput):
    refresh = serializers.CharField(help_text="For POST /auth/token/refresh.")
