"""The one base class of REST: who asks, what they may, whose rows, and every write at most once per Idempotency-Key."""

import json
from collections.abc import Callable

from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.idempotency import run_once
from apikeys.throttling import RateLimited, Verdict, charge
from outbound.api.answers import Answer
from outbound.api.errors import Invalid, NotFound
from outbound.api.parsers import UNSTORABLE, refuse_unstorable
from outbound.api.serializers import as_uuid

WRITES = ("POST", "PATCH", "PUT", "DELETE")


class WorkspaceViewSet(GenericViewSet):
    """`scopes` maps each action to its scope; an action without one is a KeyError in the first test that meets it.

    `self.workspace` is the caller's. Rows are found by `self.mine(queryset)`, or `self.one(queryset, id)` → 404.
    """

    scopes: dict[str, str] = {}
    bulk_actions: tuple[str, ...] = ()  # these have a smaller bucket besides (Superkabe §6)
    pagination_class = None
    filter_backends: list = []
    lookup_value_regex = "[^/]+"

    def required_scope(self, request) -> str:
        return self.scopes[self.action or request.method.lower()]

    @property
    def workspace(self):
        return self.request.auth.workspace

    def get_serializer_context(self):
        auth = getattr(self.request, "auth", None)
        return {**super().get_serializer_context(), "workspace": auth and auth.workspace}

    def validated(self, serializer_class, data=None, **kwargs) -> dict:
        """The request's body (or `data`) through an Input; ValidationError names every wrong field."""
        serializer = serializer_class(
            data=self.request.data if data is None else data, context=self.get_serializer_context(), **kwargs
        )
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def validated_query(self, serializer_class) -> dict:
        data = dict(self.request.query_params.items())
        refuse_unstorable(data)
        return self.validated(serializer_class, data=data)

    def mine(self, queryset):
        return queryset.for_workspace(self.workspace)

    def one(self, queryset, pk: str):
        """The caller's row with that id. A stranger's, a deleted and a random id are all the same 404."""
        row_id = as_uuid(pk)
        row = self.mine(queryset).filter(pk=row_id).first() if row_id else None
        if row is None:
            raise NotFound()
        return row

    def after_commit(self, work: Callable[[], object]) -> None:
        """Run `work` after the write is committed and before the answer leaves: for acknowledgements that must wait.

        What it returns, if anything, is the answer's data.
        """
        self._afterwards.append(work)

    def answered(self, answer: Answer) -> Response:
        """An Answer of what both doors do, said through this one."""
        self.after_commit(answer.once_committed)
        return Response(answer.data)

    def on_replay(self, data):
        """A stored answer on its way out again; a view that must show the present state brings it up to date."""
        return data

    def dispatch(self, request, *args, **kwargs):
        self._afterwards: list[Callable] = []
        self._caller_id = ""
        self._verdict: Verdict | None = None
        return super().dispatch(request, *args, **kwargs)

    def perform_authentication(self, request):
        super().perform_authentication(request)
        self._caller_id = request.auth.id

    def check_throttles(self, request):
        if not self._charged().allowed:
            raise RateLimited()

    def finalize_response(self, request, response, *args, **kwargs):
        """Limits stand on every answer to a known caller; one refused before the limiter was asked costs as much."""
        response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in self._charged().headers.items() if self._caller_id else ():
            response.headers.setdefault(name, value)
        return response

    def _charged(self) -> Verdict:
        if self._verdict is None:
            self._verdict = charge(self._caller_id, bulk=self.action in self.bulk_actions)
        return self._verdict

    def check_permissions(self, request):
        if self.action in (None, "metadata"):  # no such method here: there is no scope to ask for
            self.http_method_not_allowed(request)
        super().check_permissions(request)

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        handler = getattr(self, request.method.lower(), None)
        if any(UNSTORABLE.search(value) for value in kwargs.values()):
            raise NotFound()  # no row can have that name
        self._refuse_undeclared(request)
        if request.method in WRITES and handler is not None:
            setattr(self, request.method.lower(), self._once(handler))

    def _refuse_undeclared(self, request) -> None:
        """Input where an action takes none is as wrong as an unknown field where it takes some (decisions C21)."""
        takes = getattr(getattr(self, self.action), "takes", None)
        if takes is None:
            return
        given = [] if takes.query else list(request.query_params)
        if takes.body is None and request.method in WRITES and isinstance(request.data, dict):
            given += list(request.data)
        if given:
            details = {name: ["Unknown field."] for name in given}
            raise Invalid(f"{given[0]}: Unknown field.", details=details)

    def _once(self, handler):
        """The handler of a write, under its Idempotency-Key when there is one."""

        def write(request, *args, **kwargs):
            key = request.headers.get("Idempotency-Key", "")
            response = handler(request, *args, **kwargs) if not key else self._stored(key, handler, *args, **kwargs)
            for work in self._afterwards:
                data = work()
                if data is not None:
                    response.data = data
            return response

        return write

    def _stored(self, key, handler, *args, **kwargs):
        def effect():
            response = handler(self.request, *args, **kwargs)
            return response.status_code, json.loads(json.dumps(response.data, default=str))

        refuse_unstorable(key, "Idempotency-Key")
        status, data, replayed = run_once(
            caller=self.request.auth.id,
            key=key,
            method=self.request.method,
            path=self.request.path,
            body=_canonical(self.request),
            effect=effect,
        )
        if replayed:
            shown = None if data is None else self.on_replay(data)
            return Response(shown, status=status, headers={"Idempotency-Replayed": "true"})
        return Response(data, status=status)


def _canonical(request) -> bytes:
    """What two requests with one key must share: the body, and the query where an import's options stand."""
    body = (
        request.data
        if isinstance(request.data, bytes)
        else json.dumps(request.data, sort_keys=True, default=str).encode()
    )
    query = json.dumps(sorted(request.query_params.lists())).encode() if request.query_params else b""
    return query + body
