from html.parser import HTMLParser

import pytest

from campaigns.rendering import (
    Footer,
    Words,
    lint,
    names_in,
    names_without_fallback,
    render_step,
    thread_subject,
    unknown_names,
)
from outbound.mail_html import SafeHtml, html_to_text

FOOTER = Footer(postal_address="Acme Ltd\n1 High Street", unsubscribe_url="https://out.test/u/TOKEN?a=1&b=2")
PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "' onmouseover='alert(1)",
    '" style="position:fixed" href="https://evil.test',
    "x onclick=alert(1) href=https://evil.test",
    "javascript:alert(1)",
    "jav&#x61;script:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<b>x</b>",
    "--><b>x</b><!--",
    "</p></td></table><h1>x</h1>",
    "]]><b>x</b>",
    "&lt;b&gt;x",
    "{{last_name}}",
    "b",
]


class Shape(HTMLParser):
    """What a browser would build: elements, attribute names, schemes of addresses."""

    def __init__(self, html):
        super().__init__()
        self.seen = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        for name, value in attrs:
            self.seen.add(f"{tag}@{name}")
            if name in ("href", "src"):
                self.seen.add(f"scheme {(value or '').strip().lower().partition(':')[0]}")


def mail(subject="Hello", html="", text="", values=None, *, footer=None, seed="lead-1:1", first_subject=""):
    words = Words(subject=subject, body_html=html, body_text=text)
    return render_step(words, values=values or {}, seed=seed, footer=footer, first_subject=first_subject)


class TestValues:
    def test_they_are_escaped_in_html_and_plain_elsewhere(self):
        rendered = mail("Hi {{n}}", "<p>Hi {{n}}</p>", "Hi {{n}}", {"n": 'A & <B> "C"'})
        assert rendered.subject == 'Hi A & <B> "C"'
        assert rendered.html == '<p>Hi A &amp; &lt;B&gt; "C"</p>'
        assert rendered.text == 'Hi A & <B> "C"'

    @pytest.mark.parametrize("payload", PAYLOADS)
    @pytest.mark.parametrize(
        "template",
        [
            "<p>{{n}}</p>",
            '<p title="{{n}}">x</p>',
            "<p title='{{n}}'>x</p>",
            "<p title={{n}}>x</p>",
            "<p {{n}}>x</p>",
            "<p>x<{{n}}>y</p>",
            "<p>x</{{n}}>y</p>",
            "<!-- {{n}} --><p>x</p>",
            '<p style="color:{{n}}">x</p>',
        ],
    )
    def test_they_add_no_element_attribute_or_scheme(self, template, payload):
        harmless = Shape(mail(html=template, values={"n": "red"}).html).seen
        assert Shape(mail(html=template, values={"n": payload}).html).seen <= harmless | {"p"}

    @pytest.mark.parametrize("payload", PAYLOADS)
    def test_in_a_link_they_are_an_address_or_nothing(self, payload):
        seen = Shape(mail(html='<p><a href="{{n}}">x</a></p>', values={"n": payload}).html).seen
        assert seen <= {"p", "a", "a@href", "scheme https"}

    def test_an_address_works_in_a_link(self):
        html = mail(html='<a href="{{w}}">x</a>', values={"w": "https://x.test/?a=1&b=2"}).html
        assert html == '<a href="https://x.test/?a=1&amp;b=2">x</a>'

    def test_lines_of_a_value_stay_lines(self):
        rendered = mail(html="<p>{{n}}</p>", values={"n": "a\n\nb"})
        assert rendered.html == "<p>a<br><br>b</p>"
        assert rendered.text == "a\n\nb"

    def test_markup_values_are_cleaned_and_closed(self):
        rendered = mail(html="<p>{{n}} end</p>", text="{{n}}", values={"n": SafeHtml("<b>x<script>y</script><i>z")})
        assert rendered.html == "<p><b>x<i>z</i></b> end</p>"
        assert rendered.text == "xz"

    def test_markup_values_are_text_in_attributes_and_subjects(self):
        rendered = mail("{{n}}", '<p title="{{n}}">x</p>', values={"n": SafeHtml("<b>x</b> & y")})
        assert (rendered.subject, rendered.html) == ("x & y", '<p title="x &amp; y">x</p>')

    def test_markup_without_words_counts_as_missing(self):
        assert mail(html="<p>x{{n}}</p>", values={"n": SafeHtml("<p> &nbsp;</p>")}).missing == ("n",)

    def test_missing_names_of_all_parts_are_told_once(self):
        assert mail("{{a}} x", "<p>{{b}} {{a}}</p>", "{{c}} {{d|x}}").missing == ("a", "b", "c")


class TestHtml:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("<p onclick=x>a</p>", "<p>a</p>"),
            ("<p>a</p><script>x</script><style>p{}</style>", "<p>a</p>"),
            ("<iframe src=https://x.test></iframe><form action=x>a</form>", "a"),
            ('<a href="ftp://x.test">a</a>', "<a>a</a>"),
            ('<a href="mailto:a@b.test">a</a>', '<a href="mailto:a@b.test">a</a>'),
            ('a<img src="http://x.test/a.png"><img src="data:image/png;base64,AA">', "a<img><img>"),
            ('a<img src="https://x.test/a.png" alt="b">', 'a<img src="https://x.test/a.png" alt="b">'),
            ('<p style="color:red;position:fixed">a</p>', '<p style="color:red">a</p>'),
            ('<p style="background:url(https://x.test/a)">a</p>', "<p>a</p>"),
            ("<html><head><title>T</title></head><body>a</body></html>", "a"),
        ],
    )
    def test_only_what_a_mail_needs_is_left(self, given, expected):
        assert mail(html=given).html == expected

    def test_tables_survive(self):
        table = '<table width="600"><tbody><tr><td align="left" valign="top">a</td></tr></tbody></table>'
        assert Shape(mail(html=table).html).seen == Shape(table).seen

    def test_spintax_in_a_style_is_left_alone(self):
        html = mail(html='<p style="color:red" title="{a|b}">{x|x}</p>').html
        assert html == '<p style="color:red" title="{a|b}">x</p>'


class TestTheOtherBody:
    def test_text_is_derived_from_html(self):
        html = '<p>Hi {{n}},</p><p>see <a href="https://x.test/?a=1&amp;b=2">here</a></p>'
        rendered = mail(html=html, values={"n": "<A>"})
        assert rendered.text == "Hi <A>,\n\nsee [here](https://x.test/?a=1&b=2)"

    def test_a_link_that_shows_its_address_is_written_once(self):
        assert html_to_text('<a href="https://x.test/">https://x.test/</a>') == "https://x.test/"
        assert html_to_text('<a href="mailto:a@b.test">a@b.test</a>') == "a@b.test"

    def test_html_is_derived_from_text(self):
        rendered = mail(text="Hi {{n}}\nthere\n\nhttps://x.test", values={"n": "<A>"})
        assert rendered.html == "<p>Hi &lt;A&gt;<br>\nthere</p>\n<p>https://x.test</p>"

    def test_an_emptied_editor_counts_as_no_html(self):
        assert mail(html="<p><br></p>", text="Hi").html == "<p>Hi</p>"

    def test_both_bodies_make_the_same_choice(self):
        for n in range(20):
            rendered = mail(html="<p>{a|b|c}</p>", text="{a|b|c}", seed=f"lead-{n}:1")
            assert rendered.html == f"<p>{rendered.text}</p>"

    def test_words_nested_too_deep_for_layout_are_not_lost(self):
        assert html_to_text("<div>" * 2000 + "word" + "</div>" * 2000) == "word"


class TestFooter:
    def test_it_closes_both_bodies(self):
        rendered = mail(html="<p>Hi</p>", text="Hi", footer=FOOTER)
        assert "Acme Ltd<br>\n1 High Street" in rendered.html
        assert 'href="https://out.test/u/TOKEN?a=1&amp;b=2"' in rendered.html
        assert rendered.text == "Hi\n\nAcme Ltd\n1 High Street\nUnsubscribe: https://out.test/u/TOKEN?a=1&b=2"

    def test_a_body_with_its_own_link_gets_only_the_address(self):
        rendered = mail(html='<p>Hi <a href="{{unsubscribe_url}}">stop</a></p>', footer=FOOTER)
        assert rendered.html.count("/u/TOKEN") == rendered.text.count("/u/TOKEN") == 1
        assert "1 High Street" in rendered.html and "1 High Street" in rendered.text

    def test_a_body_with_both_gets_nothing(self):
        rendered = mail(text="Hi\n{{postal_address}}\n{{unsubscribe_url}}", footer=FOOTER)
        assert rendered.text == "Hi\nAcme Ltd\n1 High Street\nhttps://out.test/u/TOKEN?a=1&b=2"
        assert rendered.html.count("High Street") == rendered.html.count("/u/TOKEN") == 1

    @pytest.mark.parametrize("hidden", ["<!-- {} -->", "<title>{}</title>"])
    def test_what_the_reader_cannot_see_does_not_count(self, hidden):
        hidden = hidden.format("{{unsubscribe_url}} {{postal_address}}")
        rendered = mail(html=f"<p>Hi</p>{hidden}", footer=FOOTER)
        assert "High Street" in rendered.html and "/u/TOKEN" in rendered.html

    def test_an_address_in_an_attribute_does_not_count(self):
        assert "<br>\n1 High" in mail(html='<p title="{{postal_address}}">Hi</p>', footer=FOOTER).html

    def test_a_lead_cannot_supply_it(self):
        rendered = mail(text="{{unsubscribe_url}}", values={"unsubscribe_url": "https://evil.test"}, footer=FOOTER)
        assert "evil" not in rendered.text

    def test_parts_that_are_not_set_leave_no_trace(self):
        rendered = mail(text="Hi", footer=Footer(postal_address=" ", unsubscribe_url=""))
        assert (rendered.text, rendered.html) == ("Hi", "<p>Hi</p>")

    def test_without_a_footer_nothing_is_added(self):
        assert mail(text="Hi").text == "Hi"


class TestBlanks:
    @pytest.mark.parametrize("subject", ["", "  ", "{{n}}", "\u200b", "{{n| }}"])
    def test_a_blank_subject_is_a_problem(self, subject):
        assert mail(subject, text="Hi").problems == ("The subject is blank.",)

    @pytest.mark.parametrize("html", ["", "<p>{{n}}</p>", "<p>&nbsp;\u200b</p>", "<script>x</script>"])
    def test_a_blank_body_is_a_problem_even_with_a_footer(self, html):
        assert mail(html=html, footer=FOOTER).problems == ("The body is blank.",)

    def test_a_sound_mail_has_none(self):
        assert mail(text="Hi", footer=FOOTER).problems == ()


class TestSubject:
    def test_it_is_one_line_without_controls(self):
        value = "a\r\nBcc: x@y.test\x00\x0b\x0c\x1c\x85\u2028\u2029b\x9f"
        assert mail("x {{n}}\n y", text="Hi", values={"n": value}).subject == "x a Bcc: x@y.test b y"

    def test_a_follow_up_without_one_answers_the_first(self):
        assert mail("", text="Hi", first_subject="Hello").subject == "Re: Hello"
        assert mail("", text="Hi", first_subject="Hello").problems == ()

    @pytest.mark.parametrize(
        ("own", "first", "expected"),
        [
            ("", "Hello", "Re: Hello"),
            ("Mine", "Hello", "Mine"),
            ("", "RE: Hello", "RE: Hello"),
            ("", "Re : Hello", "Re : Hello"),
            ("", "Regarding", "Re: Regarding"),
            ("", "", ""),
        ],
    )
    def test_thread_subject(self, own, first, expected):
        assert thread_subject(own, first) == expected


def test_names_of_all_parts_are_known():
    words = Words(subject="{{a}}", body_html="<p>{{b|x}} {{company}}</p>", body_text="{{ c }} {{unsubscribe_url}}")
    assert names_in(words) == {"a", "b", "c", "company_name", "unsubscribe_url"}
    assert names_without_fallback(words) == {"a", "c", "company_name", "unsubscribe_url"}
    assert unknown_names(words, {"a", "company_name"}) == ["b", "c"]


def test_lint_speaks_of_every_part():
    assert len(lint(Words(subject="{a|", body_html="<p>b}</p>", body_text="{c}"))) == 3
