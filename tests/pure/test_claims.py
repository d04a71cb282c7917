"""What a text says of somebody is held against what we know of them, by no model."""

import pytest

from leads.claims import Claim, Sources, author_words, check, read_claims
from leads.facts import facts_in

PROMPT = (
    "Write for {{first_name}} at {{company}}, using {{about|their work}}. Mention {Zephyr|our tool} and 15 minutes."
)
LEAD = {
    "first_name": "María",
    "company_name": "Nova  Labs",
    "about": "Founded in 2019 by two sisters. 40% growth, 5 % churn, raised $5,000,000 in Madrid; 25 people, "
    "1.200 clients.",
    "title": "CEO",
    "email": "maria@novalabs.test",
}
SOURCES = Sources.of(PROMPT, LEAD)


def reason(text, *claims, output_type="text") -> str:
    return check(text, [Claim(*each) for each in claims], SOURCES, output_type=output_type).reason


def unsupported(text, *claims) -> tuple:
    return check(text, [Claim(*each) for each in claims], SOURCES).unsupported


class TestSources:
    def test_a_text_may_rest_on_the_fields_that_the_prompt_uses_and_on_no_other(self):
        assert set(SOURCES.fields) == {"first_name", "company_name", "about"}
        assert reason("As CEO you decide.", ("title", "CEO")) == "Nothing supports “CEO”."

    def test_the_authors_words_are_all_but_the_holes(self):
        words = author_words(PROMPT)
        assert "Zephyr" in words and "our tool" in words and "their work" in words
        assert "company" not in words and "{" not in words


class TestQuotes:
    @pytest.mark.parametrize(
        ("field", "quote"),
        [
            ("company_name", "Nova Labs"),
            ("company", "nova  LABS"),
            ("company_name", "Nova\u00a0Labs"),
            ("first_name", "Mari\u0301a"),
            ("about", "raised $5,000,000"),
            ("about", "ＭＡＤＲＩＤ"),
        ],
    )
    def test_a_quote_holds_however_it_is_spaced_and_written(self, field, quote):
        assert check("", [Claim(field, quote)], SOURCES).claims == (Claim(field, quote, True),)

    @pytest.mark.parametrize(
        ("field", "quote"),
        [
            ("company_name", "Nova Laboratories"),
            ("first_name", "Nova Labs"),
            ("company_name", "ova"),
            ("about", "201"),
            ("about", "1"),
            ("about", "5,000"),
            ("about", "Berlin"),
            ("unheard_of", "Nova"),
            ("email", "maria"),
            ("company_name", "Νova Labs"),
        ],
    )
    def test_a_quote_that_the_field_does_not_hold_is_told(self, field, quote):
        found = check("Hello.", [Claim(field, quote)], SOURCES)

        assert not found.claims[0].holds
        assert found.reason == f"{field} does not say “{quote}”."

    @pytest.mark.parametrize(
        "given",
        [None, 7, "text", {}, [7], [{}], [{"field": "a"}], [{"field": 1, "quote": 2}], [{"field": "a", "quote": " "}]],
    )
    def test_claims_of_another_shape_are_none(self, given):
        assert read_claims(given) == ()

    def test_no_more_claims_are_read_than_a_person_would(self):
        assert len(read_claims([{"field": "a", "quote": str(n)} for n in range(99)])) == 30


class TestFacts:
    def test_what_is_claimed_and_quoted_is_supported(self):
        text = "Hi María, Nova Labs’s 40% growth since 2019 on $5 million is rare, also in Madrid."
        claims = [("first_name", "María"), ("company_name", "Nova Labs"), ("about", "raised $5,000,000 in Madrid"),
                  ("about", "Founded in 2019"), ("about", "40% growth")]  # fmt: skip
        assert reason(text, *claims) == ""

    def test_what_is_true_and_not_claimed_is_not_supported(self):
        assert unsupported("Hi María, how is Nova Labs?", ("first_name", "María")) == ("Nova", "Labs")

    def test_the_authors_own_facts_need_no_claim(self):
        assert reason("Zephyr takes 15 minutes.") == ""

    @pytest.mark.parametrize(
        ("text", "loose"),
        [
            ("You started in 2021.", "2021"),
            ("You have 30 people.", "30"),
            ("Your thirty people.", "thirty"),
            ("You grew 41%.", "41%"),
            ("You raised €5 million.", "€5 million"),
            ("You raised $6m.", "$6m"),
            ("I liked your talk with Stripe.", "Stripe"),
            ("Stripe did this too.", "Stripe"),
            ("You moved to Berlin-Mitte.", "Berlin"),
            ("As a founder you know.", "founder"),
            ("As Head of Growth you know.", "Head"),
            ("You use iPhone apps.", "iPhone"),
            ("You moved to GPT4.", "GPT4"),
            ("Sales doubled.", "doubled"),
            ("You won in March.", "March"),
            ("IBM is your client.", "IBM"),
            ("你好世界", "你好世界"),
            ("Vous êtes à Toulouse.", "Toulouse"),
            ("Sie sind bei Siemens bekannt.", "Siemens"),
        ],
    )
    def test_what_nobody_said_is_found(self, text, loose):
        assert loose in unsupported(text, ("about", LEAD["about"]), ("company_name", "Nova Labs"))

    @pytest.mark.parametrize(
        "text",
        [
            "I will keep this short, since your week is surely full.",
            "Would a call next Tuesday work? I'd be glad, and if not, that's fine.",
            "Scaling a team is hard. However, you seem to manage. Recently I wondered how.",
            "Running B2B SaaS with AI and a CRM isn't easy, 24/7.",
            "Wie gehen Sie heute mit neuen Anfragen um? Ich würde mich über eine kurze Antwort freuen.",
            "Comment faites-vous aujourd'hui ? L'équipe a l'air formidable.",
            "¿Cómo lo hacéis hoy? Me encantaría saber más.",
            "",
        ],
    )
    def test_a_text_that_states_nothing_needs_nothing(self, text):
        assert reason(text) == ""

    @pytest.mark.parametrize(
        ("text", "quote"),
        [
            ("twenty-five people", "25 people"),
            ("1,200 clients", "1.200 clients"),
            ("1200 clients", "1.200 clients"),
            ("five million dollars", "raised $5,000,000"),
            ("$5M", "raised $5,000,000"),
            ("2 sisters", "two sisters"),
            ("5% churn", "5 % churn"),
        ],
    )
    def test_a_figure_may_be_written_otherwise(self, text, quote):
        text = text.replace("five million dollars", "5 million dollars")
        assert reason(f"about {text}", ("about", quote)) == ""

    @pytest.mark.parametrize("text", ["You have 5 offices.", "You raised 5 million.", "You have 40 people."])
    def test_a_figure_must_mean_the_same(self, text):
        assert reason(text, ("about", LEAD["about"]))

    def test_a_part_of_a_figure_supports_nothing(self):
        assert reason("You have 5 offices.", ("about", "5")) == "Nothing supports “5”."

    def test_names_in_scripts_without_capitals_need_their_quote(self):
        sources = Sources.of("{{company}}", {"company_name": "株式会社トヨタ"})
        claim = Claim("company_name", "株式会社トヨタ")
        assert check("How is 株式会社トヨタ?", [claim], sources).reason == ""
        assert check("How is 任天堂?", [claim], sources).reason == "Nothing supports “任天堂”."

    def test_html_is_read_as_its_reader_sees_it(self):
        claims = [("company_name", "Nova Labs")]
        assert reason("How is <b>Nova</b>&nbsp;Labs?<br>Good?", *claims, output_type="html") == ""
        assert reason("How is <b>B</b>erlin?", *claims, output_type="html") == "Nothing supports “Berlin”."

    def test_numbers_yes_and_no_and_json_state_nothing(self):
        for kind, value in (("number", 7), ("boolean", True), ("json", {"a": "Berlin"})):
            assert check(value, [], SOURCES, output_type=kind).reason == ""

    def test_a_reason_names_five_and_counts_the_rest(self):
        assert reason("We met Ann, Bob, Cid, Dan, Eve, Fay and Gus.").endswith("and 2 more.")

    def test_a_field_that_speaks_through_the_writer_is_told(self):
        told = "dear reader please send all your money to us at once and tell nobody"
        sources = Sources.of("Write about {{about}}", {"about": told})
        assert check(f"Well, {told}.", [], sources).reason == "It repeats 12 words or more of about."

    def test_work_grows_with_the_text_only(self):
        for worst in ("1." * 2000, "a'" * 2000, "A " * 2000, "1 000 " * 600, "two " * 1000, "(" * 4000, "X-" * 2000):
            facts_in(worst)
            check(worst[:4000], [Claim("about", worst[:1000])], SOURCES)
