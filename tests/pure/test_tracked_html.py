"""What becomes of a mail's HTML when opens or clicks are tracked, and of which addresses nothing does."""

import re
from uuid import UUID

import pytest

from outbound.mail_html import clean_html
from sending.tracked_html import destination, tracked_html
from sending.tracking import MAX_LINKS, read_click_token, read_open_token, unsubscribe_token

MESSAGE = UUID("0191e0f0-0000-7000-8000-000000000001")
WAY_OUT = f"https://out.test/u/{unsubscribe_token(MESSAGE)}"


def tracked(html: str, *, opens: bool = False, clicks: bool = True):
    return tracked_html(html, message_id=MESSAGE, base="https://t.test", opens=opens, clicks=clicks)


def hrefs(html: str) -> list[str]:
    return re.findall(r'href="([^"]*)"', html)


class TestLinks:
    def test_each_leads_to_its_place_in_the_order_of_the_text(self):
        found = tracked('<p><a href="https://a.test/x?a=1&amp;b=2">a</a> <a href="http://b.test">b</a></p>')

        assert found.links == ["https://a.test/x?a=1&b=2", "http://b.test"]
        tokens = [href.removeprefix("https://t.test/c/") for href in hrefs(found.html)]
        assert [read_click_token(token) for token in tokens] == [(MESSAGE, 0), (MESSAGE, 1)]

    def test_one_address_has_one_place(self):
        found = tracked('<a href="https://a.test">a</a><a href="https://b.test">b</a><a href="https://a.test">a</a>')

        assert found.links == ["https://a.test", "https://b.test"]
        assert hrefs(found.html)[0] == hrefs(found.html)[2]

    def test_nothing_else_changes(self):
        html = clean_html(
            '<div style="color:red">Hi &amp; <b title="x">you</b><br><a href="https://a.test">a</a></div>'
        )
        found = tracked(html)

        assert found.html.replace(hrefs(found.html)[0], "https://a.test") == html

    @pytest.mark.parametrize(
        "address",
        [
            WAY_OUT, f"{WAY_OUT}?x=1", f"https://moved.test/deep/u/{unsubscribe_token(MESSAGE)}",
            "https://a.test/Unsubscribe?id=7", "https://a.test/?action=opt-out", "https://a.test/optout",
            "mailto:jo@a.test", "mailto:jo@a.test?subject=unsubscribe", "tel:+34600000000", "https:///path",
            "https://[nonsense", "ht\ntps://a.test", "https:\\\\a.test", "https://a.test/" + "x" * 2_000, "", " ",
        ],
    )  # fmt: skip
    def test_these_are_left_alone(self, address):
        assert destination(address) == ""

    def test_a_way_out_stays_in_the_mail_as_it_is(self):
        found = tracked(f'<a href="https://a.test">a</a><a href="{WAY_OUT}">Unsubscribe</a>')

        assert hrefs(found.html)[1] == WAY_OUT
        assert found.links == ["https://a.test"]

    @pytest.mark.parametrize(
        ("address", "stored"),
        [
            (" https://a.test/b c ", "https://a.test/b%20c"),
            ("https://a.test/ñ", "https://a.test/%C3%B1"),
            ("https://a.test/a\r\nSet-Cookie: x", "https://a.test/a%0D%0ASet-Cookie:%20x"),
            ("HTTPS://A.test", "HTTPS://A.test"),
        ],
    )
    def test_what_is_stored_can_stand_in_a_header(self, address, stored):
        assert destination(address) == stored

    def test_more_links_than_a_token_can_name_are_left_as_they_are(self):
        html = "".join(f'<a href="https://a.test/{number}">x</a>' for number in range(MAX_LINKS + 5))
        found = tracked(html)

        assert len(found.links) == MAX_LINKS
        assert hrefs(found.html)[MAX_LINKS:] == [f"https://a.test/{MAX_LINKS + number}" for number in range(5)]


class TestOpens:
    def test_an_image_of_one_pixel_names_the_message(self):
        found = tracked("<p>Hi</p>", opens=True, clicks=False)

        token = re.search(r'<img src="https://t\.test/o/([^"]+)\.gif" width="1" height="1" alt="">$', found.html)[1]
        assert read_open_token(token) == MESSAGE

    def test_without_clicks_no_link_is_touched(self):
        html = '<a href="https://a.test">a</a>'
        assert tracked(html, opens=True, clicks=False).html.startswith(html)

    def test_a_mail_without_html_stays_without(self):
        assert tracked("", opens=True).html == ""


def test_the_same_mail_is_tracked_the_same_way_twice():
    html = '<a href="https://a.test">a</a><a href="https://b.test">b</a>'
    assert tracked(html, opens=True) == tracked(html, opens=True)
