from django.urls import path

from sending.views import ReplyViewSet, SenderViewSet

urlpatterns = [
    path("senders", SenderViewSet.as_view({"get": "list"})),
    path("replies", ReplyViewSet.as_view({"post": "create"})),
]
