"""May the caller do this: the scope stands in the view's table, and a missing entry is a crash, not a hole."""

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission


class MissingScope(PermissionDenied):
    default_code = "missing_scope"

    def __init__(self, scope: str):
        super().__init__(f"Missing required scope: {scope}")


class HasScope(BasePermission):
    def has_permission(self, request, view):
        scope = view.required_scope(request)
        if not request.auth.may(scope):
            raise MissingScope(scope)
        return True
