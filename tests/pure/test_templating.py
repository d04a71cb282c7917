import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound.templating import compile_template, problems, seeded, text_of


def render(text, values=None, *, pick=0, html=False):
    template = compile_template(text, html=html)
    return template.render(values or {}, choose=lambda index, n: pick % n).text


class TestPlaceholders:
    def test_it_inserts_the_value(self):
        assert render("Hi {{first_name}}!", {"first_name": "Ana"}) == "Hi Ana!"

    def test_it_trims_the_name_and_the_fallback(self):
        assert render("{{ first_name | there }}") == "there"

    @pytest.mark.parametrize("blank", [None, "", "  ", "\x00"])
    def test_a_blank_value_gives_the_fallback(self, blank):
        assert render("{{first_name|there}}", {"first_name": blank}) == "there"

    def test_it_says_which_names_came_out_empty(self):
        rendered = compile_template("{{a}} {{b|x}} {{c|}} {{a}} {{d}}").render({"d": 0})
        assert rendered.missing == ("a",)
        assert rendered.text == " x   0"

    def test_company_is_another_word_for_company_name(self):
        assert render("{{company}} {{company_name}}", {"company_name": "Acme"}) == "Acme Acme"
        assert compile_template("{{company}}").names() == {"company_name"}

    def test_a_name_may_have_spaces(self):
        assert render("{{Favourite colour}}", {"Favourite colour": "red"}) == "red"

    def test_a_fallback_keeps_its_bars(self):
        assert render("{{a|b|c}}") == "b|c"

    @pytest.mark.parametrize(
        "literal",
        ["{{7*7}}", "{{ 1a }}", "{{}}", "{{ }}", "{{a.b}}", "{{''.__class__}}", "{{a!|b}}", "{{", "}}", "{{a}"],
    )
    def test_what_is_no_placeholder_stays_literal(self, literal):
        assert render(literal, {"a": "VALUE"}) == literal

    @pytest.mark.parametrize("payload", ["{{b}}", "{x|y}", "{{random|x|y}}", "\\{", "${b}", "{% if b %}", "\\1 \\g<0>"])
    def test_a_value_is_never_read_as_a_template(self, payload):
        assert render("{{a}}", {"a": payload, "b": "SECRET"}) == payload

    def test_a_value_cannot_complete_a_placeholder(self):
        assert render("{{{a}}b}}", {"a": "{", "b": "SECRET"}) == "{{b}}"

    def test_names_include_those_inside_options(self):
        assert compile_template("{Hi {{a}}|Hello {{b|x}}}").names() == {"a", "b"}

    def test_names_without_fallback_are_told_apart(self):
        assert compile_template("{{a}} {{b|x}}").names_without_fallback() == {"a"}


class TestSpintax:
    @pytest.mark.parametrize(("pick", "expected"), [(0, "Hi you"), (1, "Hello you")])
    def test_one_option_is_taken(self, pick, expected):
        assert render("{Hi|Hello} you", pick=pick) == expected

    @pytest.mark.parametrize(("pick", "expected"), [(0, "a"), (1, "d")])
    def test_options_nest(self, pick, expected):
        assert render("{{a|b}|{c|d}}", pick=pick) == expected

    def test_options_may_hold_placeholders(self):
        assert render("{Hi {{name}}|Hello}", {"name": "Ana"}) == "Hi Ana"
        assert render("{{{name}}|x}", {"name": "Ana"}) == "Ana"
        assert render("{x|{{name}}}", {"name": "Ana"}, pick=1) == "Ana"

    def test_random_takes_one_of_its_options(self):
        assert [render("{{random|a|b}}", pick=pick) for pick in (0, 1)] == ["a", "b"]
        assert render("{{ RANDOM | a | b }}", pick=1) == "b"

    def test_random_without_a_bar_is_a_name(self):
        assert render("{{random}}", {"random": "x"}) == "x"

    def test_an_option_may_be_empty(self):
        assert render("Hi{| there}") == "Hi"

    @pytest.mark.parametrize("literal", ["{a}", "{", "}", "a|b", "{a|b", "a|b}", "{}", "C:\\a\\b", "a\\|b"])
    def test_braces_without_options_stay_literal(self, literal):
        assert render(literal) == literal

    def test_a_pair_inside_an_unclosed_brace_still_counts(self):
        assert render("{a {b|c}", pick=1) == "{a c"

    def test_a_literal_pair_inside_an_option_stays(self):
        assert render("{a {b} c|d}") == "a {b} c"

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("\\{a|b\\}", "{a|b}"), ("\\{{name}}", "{{name}}"), ("{a\\|b|c}", "a|b"), ("\\{\\{name\\}\\}", "{{name}}")],
    )
    def test_a_backslash_takes_a_brace_literally(self, text, expected):
        assert render(text, {"name": "VALUE"}) == expected

    def test_the_choice_is_stable_for_a_seed(self):
        template = compile_template("{a|b|c|d} {a|b|c|d} {a|b|c|d}")
        once = template.render({}, choose=seeded("lead-1:1")).text
        assert all(template.render({}, choose=seeded("lead-1:1")).text == once for _ in range(20))

    def test_seeds_and_forks_differ(self):
        template = compile_template("{a|b}{a|b}{a|b}{a|b}")
        texts = {template.render({}, choose=seeded(f"lead-{n}")).text for n in range(400)}
        assert len(texts) == 16

    def test_options_share_leads_about_evenly(self):
        template = compile_template("{a|b}")
        count = sum(template.render({}, choose=seeded(f"lead-{n}")).text == "a" for n in range(2000))
        assert 900 < count < 1100


class TestHtml:
    @pytest.mark.parametrize(
        "untouched",
        [
            '<p style="{a|b}">x</p>',
            "<p title={a|b}>x</p>",
            "<p title='a > {a|b}'>x</p>",
            "<style>p{color:red|blue} {a|b} {{name}}</style>",
            "<script>if (a < b) {x|y}</script>",
            "<!-- {a|b} {{name}} -->",
            '<a href="https://x.test/?a={b|c}">x</a>',
            "<!doctype html>",
        ],
    )
    def test_spintax_is_left_alone_where_it_is_no_text(self, untouched):
        assert render(untouched, {"name": "VALUE"}, html=True) == untouched

    def test_spintax_works_between_tags(self):
        assert render("<p>{Hi|Hello}</p>", html=True) == "<p>Hi</p>"

    def test_an_option_may_hold_tags_with_bars_in_their_attributes(self):
        text = '{<a href="https://x.test/?a|b">x</a>|y}'
        assert [render(text, html=True, pick=pick) for pick in (0, 1)] == ['<a href="https://x.test/?a|b">x</a>', "y"]

    def test_placeholders_work_in_attributes(self):
        template = compile_template('<a href="{{website|https://x.test/>}}" title="{b|c}">{{name}}</a>', html=True)
        assert [(slot.name, slot.in_tag) for slot in template.slots] == [("website", True), ("name", False)]

    def test_a_value_cannot_become_a_tag_name(self):
        assert render("<{{name}}>", {"name": "b"}, html=True) == "&lt;b>"

    def test_a_smaller_than_sign_opens_no_tag(self):
        assert render("1 < 2 {a|b} > 0", html=True) == "1 &lt; 2 a > 0"

    def test_plain_text_knows_no_tags(self):
        assert render("a <b {c|d}>") == "a <b c>"


class TestCost:
    @pytest.mark.parametrize("unit", ["{", "}", "{{", "}}", "{a|", "{{a|", "|", "\\", "\\{", "{a|b}", "{{{a}}|"])
    def test_fifty_kilobytes_of_braces_render(self, unit):
        self.check(unit, html=False)

    @pytest.mark.parametrize("unit", ["{", "<", "<a ", "<a b='", "<!--", "<script", "<a = ", "</", "<a {{a}}", "{<b>|"])
    def test_fifty_kilobytes_of_tags_render(self, unit):
        self.check(unit, html=True)

    def check(self, unit, *, html):
        text = unit * (50_000 // len(unit))
        template = compile_template.__wrapped__(text, html=html)
        assert template.render({"a": "x"}, choose=lambda index, n: n - 1).text is not None
        assert len(problems(text, html=html)) <= 20

    def test_deep_nesting_is_no_recursion(self):
        text = "{" * 20_000 + "a" + "|b}" * 20_000
        assert render(text) == "a"


@given(st.text(alphabet="{}|\\ab<>\"'= /!-", max_size=60), st.booleans())
def test_any_text_renders_and_only_its_own_characters_come_out(text, html):
    rendered = compile_template(text, html=html).render({"a": "Z", "ab": "Z"})
    assert set(rendered.text) <= set(text) | set("Z&lt;")


@given(st.text(alphabet="ab {|}", max_size=40))
def test_a_value_always_arrives_whole(value):
    expected = value if value.strip() else ""
    assert compile_template("[{{a}}]").render({"a": value}).text == f"[{expected}]"


class TestProblems:
    def test_a_sound_template_has_none(self):
        assert problems("{Hi|Hello} {{first_name|there}}, {{random|a|b}} \\{x\\}") == []

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("{{1st}}", "{{1st}} is no placeholder"),
            ("{Hi|Hello", "never closed"),
            ("Hi}", "closes nothing"),
            ("Hi {{first_name", "never closed"),
            ("Hi {first_name}", "{{first_name}}"),
        ],
    )
    def test_it_says_what_was_probably_meant(self, text, words):
        assert words in " ".join(problems(text))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (3, "3"),
        (["a", 1], "a, 1"),
        ({"a": "é"}, '{"a": "é"}'),
        ("a\r\nb\x00\x85c\ud800", "a\nb\nc"),
    ],
)
def test_values_as_text(value, text):
    assert text_of(value) == text
