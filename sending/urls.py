from django.urls import path

from sending.mailbox_views import DomainViewSet, MailboxViewSet
from sending.stray_views import StrayMailViewSet
from sending.views import ParkedViewSet, ReplyViewSet, SenderViewSet

urlpatterns = [
    path("senders", SenderViewSet.as_view({"get": "list"})),
    path("parked", ParkedViewSet.as_view({"get": "list"})),
    path("parked/<str:pk>", ParkedViewSet.as_view({"get": "retrieve"})),
    path("parked/<str:pk>/decide", ParkedViewSet.as_view({"post": "decide"})),
    path("replies", ReplyViewSet.as_view({"post": "create"})),
    path("replies/<str:pk>", ReplyViewSet.as_view({"patch": "partial_update"})),
    path("stray-mail", StrayMailViewSet.as_view({"get": "list"})),
    path("stray-mail/<str:pk>", StrayMailViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path("stray-mail/<str:pk>/assign", StrayMailViewSet.as_view({"post": "assign"})),
    path("stray-mail/<str:pk>/retry", StrayMailViewSet.as_view({"post": "retry"})),
    path("mailboxes", MailboxViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "mailboxes/<str:pk>",
        MailboxViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("mailboxes/<str:pk>/test", MailboxViewSet.as_view({"post": "test"})),
    path("mailboxes/<str:pk>/authorize", MailboxViewSet.as_view({"post": "authorize"})),
    path("mailboxes/<str:pk>/pause", MailboxViewSet.as_view({"post": "pause"})),
    path("mailboxes/<str:pk>/resume", MailboxViewSet.as_view({"post": "resume"})),
    path("mailboxes/<str:pk>/transitions", MailboxViewSet.as_view({"get": "transitions"})),
    path("domains", DomainViewSet.as_view({"get": "list"})),
    path("domains/<str:pk>", DomainViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path("domains/<str:pk>/check", DomainViewSet.as_view({"post": "check"})),
    path("domains/<str:pk>/resume", DomainViewSet.as_view({"post": "resume"})),
    path("domains/<str:pk>/transitions", DomainViewSet.as_view({"get": "transitions"})),
]
