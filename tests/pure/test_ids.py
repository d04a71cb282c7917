"""Ids: version 7, and in the order in which they were made."""

from outbound.ids import uuid7


def test_a_thousand_at_once_keep_their_order_and_are_different():
    made = [uuid7() for _ in range(1000)]

    assert made == sorted(made)
    assert len(set(made)) == 1000
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}
