"""Tokens of people: sign in with a password, get an access and a refresh token for one workspace (decisions C12).

A token says who and where, never what they may: the user and the membership are read again with every request.
"""

from django.contrib.auth import authenticate, get_user_model
from django.utils.crypto import constant_time_compare
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from apikeys.models import Membership
from outbound.api.errors import ApiError, Invalid
from outbound.api.serializers import as_uuid

TOKEN_START = "eyJ"  # noqa: S105  how the header of every JSON web token begins
REQUIRED = {"exp", "iat", "iss", "aud", "sub", "jti", "workspace", "password"}
SHOWN_WORKSPACES = 100


class WrongPassword(AuthenticationFailed):
    """The same for an unknown person, a wrong password and a deactivated one."""

    default_code = "wrong_password"
    default_detail = "There is no active user with this name and password."


class NoWorkspace(ApiError):
    status, code = 403, "no_workspace"
    message = "You are a member of no workspace. Ask an owner to add you."


class ChooseWorkspace(ApiError):
    """Several to choose from: details.workspaces lists them by slug and name."""

    code = "workspace_required"
    message = "You are a member of several workspaces. Choose one with `workspace`: its slug, name or id."


class _Complete:
    """All the claims, or it is no token of ours."""

    def verify(self):
        super().verify()
        if not self.payload.keys() >= REQUIRED:
            raise TokenError("Token is incomplete")


class Access(_Complete, AccessToken):
    pass


class Refresh(_Complete, RefreshToken):
    access_token_class = Access


def sign_in(*, name: str, password: str, workspace: str = "", request=None) -> tuple[Refresh, Membership]:
    """Tokens for a person (by e-mail or username) in a workspace (by slug, name or id; needed when there are several).

    Errors: WrongPassword (401), NoWorkspace (403), ChooseWorkspace and Invalid (400).
    """
    user = authenticate(request, username=_username(name), password=password)
    if user is None:
        raise WrongPassword()
    membership = _choose(user, workspace)
    return token_for(membership), membership


def token_for(membership: Membership) -> Refresh:
    """Void once the person's password changes or the membership ends."""
    token = Refresh.for_user(membership.user)
    token["workspace"] = str(membership.workspace_id)
    token["password"] = _seal(membership.user)
    return token


def refresh(raw: str) -> tuple[Access, Membership]:
    """A new access token for as long as the refresh token and the membership hold. AuthenticationFailed otherwise."""
    token = _read(Refresh, raw)
    return token.access_token, _membership(token)


def member_of(raw: str) -> Membership:
    """The living membership behind an access token. AuthenticationFailed (401), the same for whatever is wrong."""
    return _membership(_read(Access, raw))


def _username(name: str) -> str:
    """The username of a name or an address; an address of two people names nobody."""
    users = get_user_model().objects
    if users.filter(username=name).exists():
        return name
    found = list(users.filter(email__iexact=name).values_list("username", flat=True)[:2])
    return found[0] if len(found) == 1 else name


def _choose(user, wanted: str) -> Membership:
    mine = list(Membership.objects.filter(user=user).select_related("workspace").order_by("workspace__slug"))
    if not mine:
        raise NoWorkspace()
    choices = [{"slug": each.workspace.slug, "name": each.workspace.name} for each in mine[:SHOWN_WORKSPACES]]
    if not wanted:
        if len(mine) > 1:
            raise ChooseWorkspace(details={"workspaces": choices})
        return mine[0]
    found = next((each for each in mine if wanted in _names(each.workspace)), None)
    if found is None:
        slugs = ", ".join(choice["slug"] for choice in choices)
        raise Invalid.field("workspace", f"Unknown: {wanted[:80]}. Yours: {slugs}.")
    return found


def _names(workspace) -> tuple[str, str, str]:
    return workspace.slug, workspace.name, str(workspace.pk)


def _read(kind, raw: str):
    try:
        return kind(raw)
    except (TokenError, RecursionError, ValueError, OverflowError):
        # Beyond the library's own errors: what a forged header makes its JSON reader raise.
        raise _refused() from None


def _membership(token) -> Membership:
    user_id, workspace_id = str(token["sub"]), as_uuid(str(token["workspace"]))
    if not user_id.isdecimal() or len(user_id) > 18:  # more does not fit into the column
        raise _refused()
    members = Membership.objects.select_related("user", "workspace").filter(user__is_active=True)
    found = members.filter(user=int(user_id), workspace=workspace_id).first()
    if found is None or not constant_time_compare(token["password"], _seal(found.user)):
        raise _refused()
    return found


def _refused() -> AuthenticationFailed:
    return AuthenticationFailed("This token is not valid or has expired. Sign in again: POST /api/v1/auth/token.")


def _seal(user) -> str:
    """Changes with the password, so that a changed password ends every token."""
    return user.get_session_auth_hash()[:16]
