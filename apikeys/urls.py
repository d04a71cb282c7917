from django.urls import path

from apikeys.views import KeyViewSet, RefreshView, SignInView

urlpatterns = [
    path("auth/token", SignInView.as_view()),
    path("auth/token/refresh", RefreshView.as_view()),
    path("keys", KeyViewSet.as_view({"get": "list", "post": "create"})),
    path("keys/<str:pk>", KeyViewSet.as_view({"delete": "destroy"})),
]
