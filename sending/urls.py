from django.urls import path

from sending.mailbox_views import DomainViewSet, MailboxViewSet
from sending.views import ReplyViewSet, SenderViewSet

urlpatterns = [
    path("senders", SenderViewSet.as_view({"get": "list"})),
    path("replies", ReplyViewSet.as_view({"post": "create"})),
    path("mailboxes", MailboxViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "mailboxes/<str:pk>",
        MailboxViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("mailboxes/<str:pk>/test", MailboxViewSet.as_view({"post": "test"})),
    path("mailboxes/<str:pk>/pause", MailboxViewSet.as_view({"post": "pause"})),
    path("mailboxes/<str:pk>/resume", MailboxViewSet.as_view({"post": "resume"})),
    path("domains", DomainViewSet.as_view({"get": "list"})),
    path("domains/<str:pk>", DomainViewSet.as_view({"get": "retrieve"})),
]
