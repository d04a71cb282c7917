"""REST of keys, and the two addresses where people get tokens."""

from django.conf import settings
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys import serializers as s
from apikeys import services, tokens
from apikeys.authentication import REALM
from apikeys.models import ApiKey
from apikeys.scopes import ROLE_SCOPES
from apikeys.throttling import refuse_address
from apikeys.viewsets import WorkspaceViewSet
from outbound.api.openapi import documented
from outbound.api.pagination import OptionalPageInput, list_of
from outbound.clock import real_now
from outbound.fields import box


class KeyViewSet(WorkspaceViewSet):
    """A revoked key is gone from here; the admin still lists it."""

    scopes = {"list": "keys:read", "create": "keys:write", "destroy": "keys:write"}

    def living(self):
        return ApiKey.objects.filter(revoked_at=None).select_related("workspace")

    @documented("list_keys", s.KeyOutput, many=True, query=OptionalPageInput, tag="keys")
    def list(self, request):
        """API keys by prefix, newest first"""
        query = self.validated_query(OptionalPageInput)
        return Response(list_of(self.mine(self.living()), query, show=lambda rows: s.KeyOutput(rows, many=True).data))

    @documented("create_key", s.NewKeyOutput, body=s.KeyInput, status=201, tag="keys")
    def create(self, request):
        """Create an API key with some of the caller's scopes; it is shown this once"""
        key, raw = services.grant_key(workspace=self.workspace, held=request.auth.scopes, **self.validated(s.KeyInput))
        shown = s.KeyOutput(key).data
        # A repeat with the same Idempotency-Key gets the key again; until then it is stored encrypted.
        self.after_commit(lambda: {**shown, "key": raw})
        return Response({**shown, "key": box().encrypt(raw.encode()).decode()}, status=201)

    def on_replay(self, data):
        return {**data, "key": box().decrypt(data["key"].encode()).decode()}

    @documented("revoke_key", status=204, tag="keys")
    def destroy(self, request, pk):
        """Revoke a key; whoever uses it is refused from this moment on"""
        services.revoke_key(self.one(self.living(), pk), now=real_now())
        return Response(status=204)


class PublicView(APIView):
    """For callers who have nothing yet: counted by address, checked like every other body."""

    authentication_classes: list = []
    permission_classes: list = []

    def get_authenticate_header(self, request):
        return REALM  # without it, a wrong password would be answered with 403

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        refuse_address(request, group="sign-in", per_minute=settings.RATE_LIMIT_SIGN_IN_PER_MINUTE)

    def validated(self, serializer_class) -> dict:
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data


@method_decorator(sensitive_variables(), name="post")
class SignInView(PublicView):
    @documented("create_token", s.TokensOutput, body=s.SignInInput, tag="auth")
    def post(self, request):
        """Sign in with a password: an access and a refresh token for one workspace"""
        data = self.validated(s.SignInInput)
        token, membership = tokens.sign_in(
            name=data.get("email") or data["username"],
            password=data["password"],
            workspace=data["workspace"],
            request=request._request,
        )
        return Response({**shown_access(token.access_token, membership), "refresh": str(token)})


@method_decorator(sensitive_variables(), name="post")
class RefreshView(PublicView):
    @documented("refresh_token", s.AccessOutput, body=s.RefreshInput, tag="auth")
    def post(self, request):
        """A new access token for a refresh token"""
        return Response(shown_access(*tokens.refresh(self.validated(s.RefreshInput)["refresh"])))


def shown_access(token: tokens.Access, membership) -> dict:
    return s.AccessOutput(
        {
            "access": str(token),
            "token_type": "Bearer",
            "expires_in": int(token.lifetime.total_seconds()),
            "role": membership.role,
            "scopes": sorted(ROLE_SCOPES[membership.role]),
            "workspace": membership.workspace,
        }
    ).data
