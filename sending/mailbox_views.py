"""REST of mailboxes and domains: translate in, one call, translate out.

A connection is tried before the write begins: a slow mail server must not hold a transaction open.
"""

from rest_framework.response import Response

from apikeys.models import StoredResponse
from apikeys.services import now_for
from apikeys.viewsets import WorkspaceViewSet
from outbound.api.openapi import documented
from outbound.api.pagination import ShortListInput, short_list
from sending import domains, mailboxes, oauth_vendors, presets, queries, services, vendors
from sending import mailbox_serializers as s
from sending.models import Domain, Mailbox


class AsksFirst:
    """`before_<action>` runs before the request's transaction begins, unless the answer is a stored one."""

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        prepare = getattr(self, f"before_{self.action}", None)
        if prepare and not self._is_replay():
            prepare(*args, **kwargs)

    def _is_replay(self) -> bool:
        key = self.request.headers.get("Idempotency-Key", "")
        names = {"caller": self.request.auth.id, "key": key, "path": self.request.path[:255]}
        return bool(key) and "\0" not in key and StoredResponse.objects.filter(**names).exists()


class MailboxViewSet(AsksFirst, WorkspaceViewSet):
    scopes = {
        "list": "mailboxes:read", "retrieve": "mailboxes:read", "create": "mailboxes:write",
        "partial_update": "mailboxes:write", "destroy": "mailboxes:write", "test": "mailboxes:write",
        "authorize": "mailboxes:write", "pause": "mailboxes:write", "resume": "mailboxes:write",
        "transitions": "mailboxes:read",
    }  # fmt: skip
    bulk_actions = ("create", "partial_update", "test")  # what talks to a server of the caller's choice is limited

    def mailbox(self, pk) -> Mailbox:
        return self.one(queries.present(self.workspace).select_related("workspace"), pk)

    def shown(self, mailbox: Mailbox, status: int = 200) -> Response:
        return Response(s.MailboxOutput(queries.mailboxes_shown(self.workspace, mailbox.pk)[0]).data, status=status)

    @documented("list_mailboxes", s.MailboxOutput, many=True, query=ShortListInput, tag="mailboxes")
    def list(self, request):
        """Every connected mailbox, alphabetically"""
        query = self.validated_query(ShortListInput)
        rows = queries.mailboxes_shown(self.workspace)
        return Response(short_list(rows, query, show=lambda found: s.MailboxOutput(found, many=True).data))

    @documented("get_mailbox", s.MailboxOutput, tag="mailboxes")
    def retrieve(self, request, pk):
        """One mailbox with its health"""
        return self.shown(self.mailbox(pk))

    @documented("list_mailbox_transitions", s.TransitionOutput, many=True, tag="mailboxes")
    def transitions(self, request, pk):
        """The last 100 moves from phase to phase, newest first"""
        return Response(s.TransitionOutput(queries.transitions_of(self.mailbox(pk)), many=True).data)

    def before_create(self):
        given = self.validated(s.MailboxInput)
        vendors.refuse_unconfirmed(self.workspace, given["provider"], given.get("confirm_policy"))
        at_vendor = given["provider"] in vendors.POLICIES
        self.complete = given if at_vendor else presets.completed(workspace=self.workspace, **given)
        data = {name: value for name, value in self.complete.items() if name not in vendors.NOT_OF_A_CONNECTION}
        presets.refuse_too_much(**data)
        mailboxes.refuse_a_broken_connection(mailboxes.candidate(workspace=self.workspace, **data))

    @documented("connect_mailbox", s.MailboxOutput, body=s.MailboxInput, status=201, tag="mailboxes")
    def create(self, request):
        """Connect a mailbox

        Of the large providers the address and a secret are enough. The connection is tried first; nothing is stored
        when the server does not take the sign-in. With `sign_in` google or microsoft it waits for a person's consent.
        An address that was deleted comes back with its threads. With `provider` resend and an `api_key` Resend sends:
        the address's domain must be verified there, and `confirm_policy` says that somebody has read its policy.
        """
        fields = self.complete if self.workspace.livemode else self.complete | {"provider": "sandbox"}
        mailbox = services.connect_mailbox(
            workspace=self.workspace, now=now_for(self.workspace), confirmed_by=self.request.auth.name, **fields
        )
        return self.shown(mailbox, status=201)

    def before_partial_update(self, pk):
        data, mailbox = self.validated(s.MailboxChangeInput), self.mailbox(pk)
        tried = {name: data[name] for name in (mailboxes.CONNECTION | mailboxes.READING) & set(data)}
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
        mailbox = self.mailbox(pk)
        self.tried, self.findings = mailboxes.try_connection(mailbox), domains.look_if_able(mailbox.domain)

    @documented("test_mailbox", s.TestOutput, tag="mailboxes")
    def test(self, request, pk):
        """Connect and sign in, without sending, and look at its domain

        `message` is one sentence for every cause of a failure; `advice` is made of the settings alone.
        """
        mailbox, (works, sentence) = self.mailbox(pk), self.tried
        mailboxes.note_connection(mailbox, works=works, sentence=sentence)
        holds, said = domains.noted(domain=mailbox.domain, findings=self.findings, now=now_for(self.workspace))
        advice = {} if works else presets.advice(mailbox)
        return Response({"works": works, "message": sentence, "advice": advice, "domain": said, "domain_holds": holds})

    @documented("authorize_mailbox", s.AuthorizeOutput, body=s.AuthorizeInput, tag="mailboxes")
    def authorize(self, request, pk):
        """Where a person consents that we sign in at Google or Microsoft

        The page asks for a sign-in here first: whoever consents is known, and what comes back belongs to that browser.
        400 says what to set when the vendor is not set up.
        """
        mailbox, vendor = self.mailbox(pk), self.validated(s.AuthorizeInput).get("vendor", "")
        vendor = oauth_vendors.vendor_named(vendor or mailbox.sign_in, field="vendor")
        return Response({"url": oauth_vendors.begin_url(mailbox, vendor), "vendor": vendor.name})

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


class DomainViewSet(AsksFirst, WorkspaceViewSet):
    scopes = {
        "list": "domains:read", "retrieve": "domains:read", "transitions": "domains:read",
        "partial_update": "domains:write", "check": "domains:write", "resume": "domains:write",
    }  # fmt: skip
    bulk_actions = ("check",)  # it asks name servers

    def domain(self, pk) -> Domain:
        return self.one(Domain.objects.select_related("workspace"), pk)

    def shown(self, domain: Domain) -> Response:
        return Response(s.DomainOutput(queries.domains_shown(self.workspace, domain.pk)[0]).data)

    @documented("list_domains", s.DomainOutput, many=True, query=ShortListInput, tag="domains")
    def list(self, request):
        """Every sending domain, alphabetically"""
        query = self.validated_query(ShortListInput)
        rows = queries.domains_shown(self.workspace)
        return Response(short_list(rows, query, show=lambda found: s.DomainOutput(found, many=True).data))

    @documented("get_domain", s.DomainOutput, tag="domains")
    def retrieve(self, request, pk):
        """One sending domain with its health"""
        return self.shown(self.domain(pk))

    @documented("list_domain_transitions", s.TransitionOutput, many=True, tag="domains")
    def transitions(self, request, pk):
        """The last 100 moves from phase to phase, newest first"""
        return Response(s.TransitionOutput(queries.transitions_of(self.domain(pk)), many=True).data)

    @documented("update_domain", s.DomainOutput, body=s.DomainChangeInput, tag="domains")
    def partial_update(self, request, pk):
        """Say where its DKIM key stands, when its mail server is one of your own"""
        domain = self.domain(pk)
        domains.change_domain(domain=domain, now=now_for(self.workspace), **self.validated(s.DomainChangeInput))
        return self.shown(self.domain(pk))

    def before_check(self, pk):
        self.findings = domains.look(self.domain(pk))

    @documented("check_domain", s.DomainOutput, tag="domains")
    def check(self, request, pk):
        """Ask for SPF, DKIM, DMARC and blocklists now

        It is asked every day anyway, and more often in quarantine.
        """
        domains.note_check(domain=self.domain(pk), findings=self.findings, now=now_for(self.workspace))
        return self.shown(self.domain(pk))

    @documented("resume_domain", s.DomainOutput, tag="domains")
    def resume(self, request, pk):
        """Let a stopped domain send again, a few mails a day

        Its mailboxes heal after it, or are resumed one by one.
        """
        domains.resume_domain(domain=self.domain(pk), now=now_for(self.workspace))
        return self.shown(self.domain(pk))
