"""Who is taken for a machine, by what a request says and by when it came."""

from datetime import UTC, datetime, timedelta

import pytest

from sending.scanners import asked_by_machine, came_too_soon, clicked_at_once

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
OUTLOOK = "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
NOON = datetime(2026, 4, 24, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class TestWhatTheRequestSays:
    @pytest.mark.parametrize("agent", [CHROME, IPHONE, OUTLOOK, GMAIL, YAHOO, "Thunderbird/128.4.0"])
    def test_mail_programs_and_their_proxies_stand_for_a_person(self, agent):
        assert not asked_by_machine(method="GET", user_agent=agent, image=True)

    @pytest.mark.parametrize(
        "agent",
        [
            "",
            " ",
            "Mozilla/5.0",
            "curl/8.5.0",
            "python-requests/2.32",
            "Go-http-client/2.0",
            "BarracudaCentral/1.0",
            "Mozilla/5.0 (compatible; Proofpoint URL Defense)",
            f"{CHROME} BingPreview/1.0b",
            "Slackbot-LinkExpanding 1.0",
            "Mozilla/5.0 (compatible; Googlebot/2.1)",
            "HeadlessChrome/131",
            "facebookexternalhit/1.1",
            "WhatsApp/2.2",
            "Mimecast-Scanner",
        ],
    )
    def test_machines_that_say_so_are_machines(self, agent):
        assert asked_by_machine(method="GET", user_agent=agent)

    def test_a_proxy_for_images_that_follows_a_link_is_no_reader(self):
        assert not asked_by_machine(method="GET", user_agent=CHROME)
        assert asked_by_machine(method="GET", user_agent=f"{GMAIL} prefetch", image=False)

    def test_nobody_reads_by_head(self):
        assert asked_by_machine(method="HEAD", user_agent=CHROME, image=True)

    @pytest.mark.parametrize("purpose", ["prefetch", "prefetch;prerender", "preview"])
    def test_a_browser_that_loads_in_advance_is_no_click(self, purpose):
        assert asked_by_machine(method="GET", user_agent=CHROME, purpose=purpose)


class TestWhenItCame:
    @pytest.mark.parametrize(("seconds", "too_soon"), [(-5, True), (0, True), (9.9, True), (10, False), (3600, False)])
    def test_within_seconds_of_the_delivery_it_is_a_gateway(self, seconds, too_soon):
        assert came_too_soon(after(seconds), NOON) is too_soon

    def test_before_there_was_a_delivery_nobody_reads(self):
        assert came_too_soon(NOON, None)

    @pytest.mark.parametrize(
        ("moments", "links", "at_once"),
        [
            ([[60]], 1, False),
            ([[60]], 5, False),
            ([[60], [61]], 2, True),
            ([[60], [61]], 5, False),
            ([[60], [61], [62.5]], 5, True),
            ([[60], [61], [70]], 3, False),
            ([[60], [5, 61], [1, 62]], 3, True),
        ],
    )
    def test_all_links_or_three_of_them_within_three_seconds_are_a_scan(self, moments, links, at_once):
        each = [[after(moment) for moment in link] for link in moments]
        assert clicked_at_once(after(60), each, links=links) is at_once
