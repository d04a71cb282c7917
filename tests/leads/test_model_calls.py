"""Calls outside of jobs go through the same ledger; and the model is looked for before anybody pays for it."""

import pytest
from django.core.management import CommandError, call_command

from leads.asking import ModelBusy, choose
from leads.model_check import model_problem
from leads.models import GenerationCall
from outbound.clock import real_now
from tests import make
from tests.vendors.anthropic import KEY, AnthropicStandIn, fails, says
from tests.vendors.anthropic_service import AnthropicService


@pytest.fixture
def live(db, settings):
    settings.ANTHROPIC_API_KEY, settings.ANTHROPIC_MODEL = KEY, "claude-haiku-5-5"
    return make.workspace("Live", livemode=True)


def ask(workspace):
    return choose(workspace=workspace, question="Which?", text="Yes please", among=["yes", "no"], seed="s")


def test_a_judged_reply_is_in_the_ledger(live, settings):
    with AnthropicStandIn(says("yes")) as server:
        settings.ANTHROPIC_BASE_URL = server.url
        assert ask(live) == "yes"
    call = GenerationCall.objects.get()
    assert (call.purpose, call.state, call.tokens_uncached, call.tokens_output) == ("reply", "settled", 210, 34)
    assert call.charge > 0


def test_what_was_refused_at_the_door_is_free(live, settings):
    with AnthropicStandIn(fails(529)) as server:
        settings.ANTHROPIC_BASE_URL = server.url
        with pytest.raises(ModelBusy):
            ask(live)
    assert list(GenerationCall.objects.values_list("state", "charge")) == [("free", 0)]


def test_without_money_nobody_is_called(live, settings):
    live.ai_monthly_limit = 0
    live.save(update_fields=["ai_monthly_limit"])
    with AnthropicStandIn(says("yes")) as server:
        settings.ANTHROPIC_BASE_URL = server.url
        with pytest.raises(ModelBusy, match="limit"):
            ask(live)
    assert not server.requests


class TestCheck:
    def test_a_model_that_is_there_and_priced_is_no_problem(self, live, settings, capsys):
        with AnthropicService() as service:
            settings.ANTHROPIC_BASE_URL = service.url
            assert model_problem(now=real_now()) == ""
            call_command("check_model")
        assert "is there and has a price" in capsys.readouterr().out

    def test_without_a_price_the_sentence_says_where_to_add_one(self, live, settings):
        settings.ANTHROPIC_MODEL = "claude-none"
        assert "price table" in model_problem(now=real_now())

    def test_a_model_that_the_service_does_not_know_is_named(self, live, settings):
        with AnthropicStandIn(fails(404)) as server:
            settings.ANTHROPIC_BASE_URL = server.url
            assert "claude-haiku-5-5 is not known" in model_problem(now=real_now())
            with pytest.raises(CommandError, match="ANTHROPIC_MODEL"):
                call_command("check_model")

    def test_without_a_key_there_is_nothing_to_check(self, db, settings):
        settings.ANTHROPIC_API_KEY = ""
        assert model_problem(now=real_now()) == ""
