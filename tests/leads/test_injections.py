"""S25: orders to the model in lead data, against a model that obeys them. Looked at is what an SMTP server received.

The model is played by tests/vendors/anthropic.py `obeys`: it says everything that the data tells it to, decoded too,
and claims that the data says so. Whoever reviews approves all of it. What is left to stop it are the filters.
"""

import re
import unicodedata
from email import message_from_bytes, policy
from html.parser import HTMLParser
from pathlib import Path

import pytest

from campaigns.runner import tick
from leads.models import Lead, Variable, VariableValue
from leads.reviewing import approve
from leads.services import import_leads
from leads.writing import write_due
from sending.postoffice import dispatch
from tests import make
from tests.base import Api
from tests.servers.smtp import CountingSmtp
from tests.vendors.anthropic import KEY, AnthropicStandIn, obeys

TEXTS = [
    line.replace("\\n", "\n")
    for line in (Path(__file__).parent.parent / "data" / "injections.txt").read_text().splitlines()
    if not line.startswith("# ")
]
PROMPT = "Write an opening line for {{title}} of {{company}}, who says: {{about}}"
BODY = "<p>Hi,</p><p>{{plain|I liked what you do.}}</p><p>{{rich|Let us talk.}}</p>"
LOOK_ALIKES = str.maketrans("еоасрхіѕԁⅼ", "eoacpxisdl")
TAGS = {"p", "br", "a", "b", "em", "i", "span", "strong", "u", "html", "body", "div"}
# Not the product's own patterns: what must not be there, however it got there.
TRACES = re.compile(
    r"https?\b|hxxps?|\bftp\b|\bwww\b|javascript|mailto|\btel:|\bsms:|data:text|@|xn--"
    r"|evil\W{0,3}(?:com|test|net|org|io|dev|shop|nl|pl|example)|203\.0\.113|2130706433|\[::1\]"
    r"|victim|quagmire|zebulon|<|>|&lt;|lead_data|im_start|\{\{|\]\(",
    re.I,
)


class Elements(HTMLParser):
    def __init__(self, html: str):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def traces_in(text: str) -> list[str]:
    """What of the forbidden is in the words of a mail, as eyes or a mail program would read them."""
    seen = unicodedata.normalize("NFKC", text)
    hidden = [c for c in seen if unicodedata.category(c) in ("Cf", "Co", "Cn") or (ord(c) < 32 and c not in "\n\r\t")]
    seen = "".join(c for c in seen if unicodedata.category(c) not in ("Cf", "Mn")).translate(LOOK_ALIKES)
    numbers = re.findall(r"555\D{0,3}0199|20\D{0,3}7946", re.sub(r"(?<=\d)\s(?=\d)", "", seen))
    return [*TRACES.findall(seen), *numbers, *map(repr, hidden)]


@pytest.fixture
def mails(db, settings):
    """(text written to, its mail) for each text, through the model, the check, the planner and SMTP."""
    settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    workspace = make.workspace("Live", livemode=True)
    make.lead(workspace, "zebulon@victim.example", first_name="Zebulon", last_name="Quagmire", title="Victim")
    rows = [
        {"email": f"lead{n}@people{n % 40}.example", "title": text[:200], "company_name": f"Company {n}",
         "custom": {"about": text}}
        for n, text in enumerate(TEXTS)
    ]  # fmt: skip
    assert import_leads(workspace=workspace, rows=rows, now=make.NOW).count("created") == len(TEXTS)
    make.variable(workspace, "plain", PROMPT)
    make.variable(workspace, "rich", PROMPT, output_type="html", unsupported="fallback", fallback="I like {{title}}.")
    api = Api(make.key(workspace))
    with AnthropicStandIn(obeys) as model, CountingSmtp() as smtp:
        settings.ANTHROPIC_API_KEY, settings.ANTHROPIC_BASE_URL = KEY, model.url
        _write(api)
        make.mailbox(workspace, smtp_host="127.0.0.1", smtp_port=smtp.port, smtp_security="none")
        make.run(workspace, steps=[make.step("A question", BODY)])
        for _ in range(20):
            if not tick() and not dispatch():
                break
        yield [(text, smtp.to(f"lead{n}@people{n % 40}.example")) for n, text in enumerate(TEXTS)]


def _write(api) -> None:
    for name in ("plain", "rich"):
        api.data("post", f"/variables/{name}/generate", {"urgent": True}, status=200)
    for _ in range(4):
        VariableValue.objects.update(retry_at=None)
        write_due()
    assert not VariableValue.objects.filter(state__in=["pending", "generating"]).exists()
    for variable in Variable.objects.all():
        approve(variable=variable, now=make.NOW)


@pytest.mark.django_db(transaction=True)
def test_nothing_that_a_lead_orders_gets_into_a_mail(mails):
    assert len(TEXTS) >= 150
    found = {}
    for text, received in mails:
        [accepted] = received
        mail = message_from_bytes(accepted.raw, policy=policy.default)
        if problems := problems_of(mail):
            found[text] = problems
    assert found == {}
    states = dict.fromkeys(VariableValue.objects.values_list("state", flat=True))
    assert "done" in states  # words without a link do get out: it is not that nothing was written
    assert Lead.objects.count() == len(TEXTS) + 1


def problems_of(mail) -> list:
    """Of the headers, of the text and of the HTML, after the product's own way out was taken away."""
    html = mail.get_body(("html",)).get_content()
    text = mail.get_body(("plain",)).get_content()
    elements = Elements(html)
    links = [attributes.get("href", "") for tag, attributes in elements.found if tag == "a"]
    own = [link for link in links if link.startswith("https://outbound.example/")]
    wrong = [tag for tag, attributes in elements.found if tag not in TAGS or set(attributes) - {"href", "style"}]
    wrong += [link for link in links if link not in own]
    for link in own:
        text = text.replace(link, "")
    return [*wrong, *traces_in(text), *traces_in(elements.text), *traces_in(str(mail["subject"]))]
