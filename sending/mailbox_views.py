"""REST of mailboxes and domains: translate in, one call, translate out.

A connection is tried before the write begins: a slow mail server must not hold a transaction open.
"""

from rest_framework.response import Response

from apikeys.models import StoredResponse
from apikeys.services import now_for
from apikeys.viewsets import WorkspaceViewSet
from outbound.api.openapi import documented
from sending import mailbox_serializers as s
from sending import mailboxes, queries, services
from sending.models import Domain, Mailbox


class MailboxViewSet(WorkspaceViewSet):
    scopes = {
        "list": "mailboxes:read", "retrieve": "mailboxes:read", "create": "mailboxes:write",
        "partial_update": "mailboxes:write", "destroy": "mailboxes:write", "test": "mailboxes:write",
        "pause": "mailboxes:write", "resume": "mailboxes:write",
    }  # fmt: skip
    bulk_actions = ("create", "partial_update", "test")  # what talks to a server of the caller's choice is limited

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        prepare = getattr(self, f"before_{self.action}", None)
        if prepare and not self._is_replay():
            prepare(*args, **kwargs)

    def _is_replay(self) -> bool:
        key = self.request.headers.get("Idempotency-Key", "")
        names = {"caller": self.request.auth.id, "key": key, "path": self.request.path[:255]}
        return bool(key) and "\0" not in key and StoredResponse.objects.filter(**names).exists()

    def mailbox(self, pk) -> Mailbox:
        return self.one(queries.present(self.workspace).select_related("workspace"), pk)

    def shown(self, mailbox: Mailbox, status: int = 200) -> Response:
        return Response(s.MailboxOutput(queries.mailboxes_shown(self.workspace, mailbox.pk)[0]).data, status=status)

    @documented("list_mailboxes", s.MailboxOutput, many=True, tag="mailboxes")
    def list(self, request):
        """Every connected mailbox, alphabetically"""
        return Response(s.MailboxOutput(queries.mailboxes_shown(self.workspace), many=True).data)

    @documented("get_mailbox", s.MailboxOutput, tag="mailboxes")
    def retrieve(self, request, pk):
        """One mailbox with its health"""
        return self.shown(self.mailbox(pk))

    def before_create(self):
        data = self.validated(s.MailboxInput)
        data.pop("warmup", None)
        check_limit(data)
        mailboxes.refuse_a_broken_connection(mailboxes.candidate(workspace=self.workspace, **data))

    @documented("connect_mailbox", s.MailboxOutput, body=s.MailboxInput, status=201, tag="mailboxes")
    def create(self, request):
        """Connect a mailbox

        The connection is tried first; nothing is stored when the server does not take the sign-in. An address that was
        deleted comes back with its threads.
        """
        data, now = self.validated(s.MailboxInput), now_for(self.workspace)
        started = now if data.pop("warmup", True) else None
        provider = "smtp" if self.workspace.livemode else "sandbox"
        mailbox = services.connect_mailbox(
            workspace=self.workspace, provider=provider, now=now, warmup_started_at=started, **data
        )
        return self.shown(mailbox, status=201)

    def before_partial_update(self, pk):
        data, mailbox = self.validated(s.MailboxChangeInput), self.mailbox(pk)
        check_limit(data, mailbox)
        tried = {name: data[name] for name in mailboxes.CONNECTION & set(data)}
        for name, value in tried.items():
            setattr(mailbox, name, value)
        if tried:
            mailboxes.refuse_a_broken_connection(mailbox)

    @documented("update_mailbox", s.MailboxOutput, body=s.MailboxChangeInput, tag="mailboxes")
    def partial_update(self, request, pk):
        """Change its server, password, limit or gap

        A change of the connection is tried first; nothing is stored when it does not work.
        """
        data = self.validated(s.MailboxChangeInput)
        return self.shown(mailboxes.change_mailbox(mailbox=self.mailbox(pk), now=now_for(self.workspace), **data))

    @documented("delete_mailbox", status=204, tag="mailboxes")
    def destroy(self, request, pk):
        """Delete a mailbox; 409 while a campaign under way uses it

        One that has sent leaves the lists and forgets its password; its threads and its history stay.
        """
        mailboxes.delete_mailbox(mailbox=self.mailbox(pk), now=now_for(self.workspace))
        return Response(status=204)

    def before_test(self, pk):
        self.tried = mailboxes.try_connection(self.mailbox(pk))

    @documented("test_mailbox", s.TestOutput, tag="mailboxes")
    def test(self, request, pk):
        """Connect and sign in, without sending

        `message` is one sentence for every cause of a failure.
        """
        works, sentence = self.tried
        mailboxes.note_connection(self.mailbox(pk), works=works, sentence=sentence)
        return Response({"works": works, "message": sentence})

    @documented("pause_mailbox", s.MailboxOutput, tag="mailboxes")
    def pause(self, request, pk):
        """Nothing more leaves from it until it is resumed"""
        return self.shown(mailboxes.pause_mailbox(mailbox=self.mailbox(pk), now=now_for(self.workspace)))

    @documented("resume_mailbox", s.MailboxOutput, tag="mailboxes")
    def resume(self, request, pk):
        """Let it send again

        One that was stopped for its bounces starts with a few mails a day.
        """
        return self.shown(mailboxes.resume_mailbox(mailbox=self.mailbox(pk), now=now_for(self.workspace)))


class DomainViewSet(WorkspaceViewSet):
    scopes = {"list": "domains:read", "retrieve": "domains:read"}

    @documented("list_domains", s.DomainOutput, many=True, tag="domains")
    def list(self, request):
        """Every sending domain, alphabetically"""
        return Response(s.DomainOutput(queries.domains_shown(self.workspace), many=True).data)

    @documented("get_domain", s.DomainOutput, tag="domains")
    def retrieve(self, request, pk):
        """One sending domain with its health"""
        domain = self.one(Domain.objects, pk)
        return Response(s.DomainOutput(queries.domains_shown(self.workspace, domain.pk)[0]).data)


def check_limit(data: dict, mailbox: Mailbox | None = None) -> None:
    if "daily_limit" in data or "smtp_host" in data:
        mailboxes.check_limit(
            email=data.get("email") or (mailbox.email if mailbox else ""),
            smtp_host=data.get("smtp_host") or (mailbox.smtp_host if mailbox else ""),
            daily_limit=data.get("daily_limit") or (mailbox.daily_limit if mailbox else 30),
        )
