"""The one base class of REST: who asks, what they may, whose rows, and every write at most once per Idempotency-Key."""

import json
from collections.abc import Callable

from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.idempotency import run_once
from outbound.api.errors import NotFound
from outbound.api.parsers import refuse_unstorable
from outbound.api.serializers import as_uuid

WRITES = ("POST", "PATCH", "PUT", "DELETE")


class WorkspaceViewSet(GenericViewSet):
    """`scopes` maps each action to its scope; an action without one is a KeyError in the first test that meets it.

    `self.workspace` is the caller's. Rows are found by `self.mine(queryset)`, or `self.one(queryset, id)` → 404.
    """

    scopes: dict[str, str] = {}
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
        data = {name: value for name, value in self.request.query_params.items()}
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

    def on_replay(self, data):
        """A stored answer on its way out again; a view whose answer must show the present state brings it up to date."""
        return data

    def dispatch(self, request, *args, **kwargs):
        self._afterwards: list[Callable] = []
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        handler = getattr(self, request.method.lower(), None)
        if request.method in WRITES and handler is not None:
            setattr(self, request.method.lower(), self._once(handler))

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

        refuse_unstorable(key)
        status, data, replayed = run_once(
            caller=self.request.auth.id,
            key=key,
            method=self.request.method,
            path=self.request.path,
            body=_canonical(self.request.data),
            effect=effect,
        )
        if replayed:
            return Response(self.on_replay(data), status=status, headers={"Idempotency-Replayed": "true"})
        return Response(data, status=status)


def _canonical(data) -> bytes:
    return json.dumps(data, sort_keys=True, default=str).encode()


