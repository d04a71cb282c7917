from collections import Counter
from uuid import UUID

import pytest

from campaigns.choosing import Candidate, choose_mailbox, choose_variant


class TestVariant:
    def test_a_lead_gets_the_same_one_every_time(self):
        variants = [("A", 50), ("B", 50)]
        assert len({choose_variant(variants, UUID(int=7), 1) for _ in range(50)}) == 1

    def test_the_answer_is_the_same_in_every_process_and_version(self):
        assert "".join(choose_variant([("A", 1), ("B", 1)], f"lead-{n}", 1) for n in range(12)) == "BAABAAABBAAA"

    def test_the_order_given_does_not_matter(self):
        for n in range(50):
            assert choose_variant([("A", 1), ("B", 3)], n, 1) == choose_variant([("B", 3), ("A", 1)], n, 1)

    def test_weights_are_the_shares(self):
        counts = Counter(choose_variant([("A", 70), ("B", 30), ("C", 0)], n, 1) for n in range(5000))
        assert 3350 < counts["A"] < 3650
        assert counts["C"] == 0

    def test_steps_are_drawn_apart(self):
        drawn = {tuple(choose_variant([("A", 1), ("B", 1)], n, step) for step in (1, 2)) for n in range(100)}
        assert len(drawn) == 4

    @pytest.mark.parametrize("weights", [[0, 0], [-1, 2], [], [1.5], [True]])
    def test_weights_that_cannot_be_drawn_are_refused(self, weights):
        with pytest.raises(ValueError, match="[Ww]eight"):
            choose_variant([(str(n), weight) for n, weight in enumerate(weights)], 1, 1)


def box(id, remaining=10, cap=30, rate=0.0, sends=100):
    return Candidate(id=id, remaining=remaining, cap=cap, bounce_rate=rate, sends_at_provider=sends)


class TestMailbox:
    def test_more_room_wins(self):
        assert choose_mailbox([box("a", 10), box("b", 20)]).id == "b"

    def test_room_is_a_share_of_the_cap(self):
        assert choose_mailbox([box("a", 20, cap=100), box("b", 10, cap=20)]).id == "b"

    def test_fewer_bounces_win(self):
        assert choose_mailbox([box("a", rate=0.05), box("b", rate=0.01)]).id == "b"

    def test_a_rate_from_few_mails_counts_as_a_half(self):
        assert choose_mailbox([box("a", rate=0.0, sends=29), box("b", rate=0.4, sends=30)]).id == "b"
        assert choose_mailbox([box("a", rate=0.0, sends=29), box("b", rate=0.6, sends=30)]).id == "a"

    def test_equal_ones_go_by_id(self):
        assert choose_mailbox([box("b"), box("a"), box("c")]).id == "a"

    def test_a_full_one_is_never_chosen(self):
        assert choose_mailbox([box("a", 0), box("b", 1, rate=0.9)]).id == "b"

    @pytest.mark.parametrize("candidates", [[], [box("a", 0)], [box("a", 5, cap=0)]])
    def test_without_a_free_slot_there_is_none(self, candidates):
        assert choose_mailbox(candidates) is None
