"""Mail on no thread over REST: nothing that came in is dropped in silence."""

from leads.models import Lead
from sending.models import Message, StrayMail
from sending.strays import forget_old
from tests import make


class TestStrayMail:
    def test_it_is_listed_with_its_words_newest_first(self, acme, api):
        mailbox = make.mailbox(acme)
        first, second = make.stray(mailbox), make.stray(mailbox)
        StrayMail.objects.filter(pk=first.pk).update(why="quarantined")

        assert [row["id"] for row in api.data("get", "/stray-mail")] == [str(second.pk), str(first.pk)]
        (row,) = api.data("get", "/stray-mail?why=unmatched")
        assert (row["from"], row["text"], row["mailbox"]) == ("stranger@else.example", "Who are you?", mailbox.email)
        assert api("get", "/stray-mail?why=nonsense").status_code == 400

    def test_put_on_a_thread_it_counts_as_an_answer_there(self, acme, api):
        mailbox, lead = make.mailbox(acme), make.lead(acme)
        sent = make.parked(mailbox, lead)
        stray = make.stray(mailbox)

        told = api.data("post", f"/stray-mail/{stray.pk}/assign", {"thread_id": str(sent.thread_id)})

        message = Message.objects.get(direction="in")
        assert told == {"message_id": str(message.pk), "thread_id": str(sent.thread_id), "kind": "reply"}
        assert (message.answers, bool(Lead.objects.get().replied_at)) == (sent, True)
        assert not StrayMail.objects.exists()

    def test_tried_again_it_needs_a_thread_by_then(self, acme, api):
        mailbox = make.mailbox(acme)
        stray = make.stray(mailbox, "jo@acme.example")

        assert api("post", f"/stray-mail/{stray.pk}/retry").status_code == 409
        make.parked(mailbox, make.lead(acme, "jo@acme.example"))
        assert api.data("post", f"/stray-mail/{stray.pk}/retry")["kind"] == "reply"
        assert not StrayMail.objects.exists()

    def test_what_was_not_kept_says_where_it_is(self, acme, api):
        stray = make.stray(make.mailbox(acme))
        StrayMail.objects.update(raw=None)

        answer = api("post", f"/stray-mail/{stray.pk}/retry")

        assert (answer.status_code, "in the mailbox" in answer.json()["error"]) == (409, True)

    def test_it_can_be_dismissed_and_is_forgotten_after_a_month(self, acme, api):
        mailbox = make.mailbox(acme)
        assert api("delete", f"/stray-mail/{make.stray(mailbox).pk}").status_code == 204
        make.stray(mailbox)
        assert (forget_old(now=make.NOW), StrayMail.objects.count()) == (0, 1)
        StrayMail.objects.update(created_at=make.NOW.replace(year=make.NOW.year - 1))
        assert (forget_old(now=make.NOW), StrayMail.objects.count()) == (1, 0)
