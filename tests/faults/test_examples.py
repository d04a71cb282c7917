"""The contracts' programs as printed, against a running server: only address, key and ids are ours."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from campaigns.models import Campaign
from tests import make, seeds
from tests.faults.web import web

pytestmark = [pytest.mark.django_db(transaction=True)]
BLOCKS = re.compile(r"^## ([^\n]+)\n\n```\w+\n(.*?)^```$", re.M | re.S)
BURST = 20  # more than any program asks for but the one that waits
PROGRAMS = dict(BLOCKS.findall((seeds.HERE / "examples.md").read_text()))


def needs(*tools: str):
    """They are installed where everything must hold; somebody's own machine may lack them."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing) and not os.environ.get("CI"), reason=f"not installed: {missing}")


@pytest.fixture
def acme():
    workspace = make.workspace("Acme")
    make.mailbox(workspace, "hi@you.com")
    return workspace


@pytest.fixture
def key(acme) -> str:
    return make.key(acme)


@pytest.fixture(scope="module")
def server(tmp_path_factory, django_db_setup):
    with web(tmp_path_factory.mktemp("web"), processes=1, RATE_LIMIT_BURST=str(BURST)) as running:
        yield running


@pytest.fixture
def ids(acme, server) -> dict:
    """What stands in the programs → what stands here."""
    first, second = make.lead(acme, "jane@acme.com"), make.lead(acme, "bob@acme.com")
    return {
        "https://api.superkabe.com/api/v1": server.api, "https://outbound.malecu.eu/api/v1": server.api,
        "lead_xyz": str(first.id), "lead_abc": str(second.id), "SEQ_UUID": str(make.sequence(acme).id),
    }  # fmt: skip


def filled(program: str, ids: dict) -> str:
    for theirs, ours in ids.items():
        program = program.replace(theirs, ours)
    return program


def run(command: list, program: str, key: str = "") -> str:
    """What it printed; it reads the program from its standard input."""
    done = subprocess.run(
        command, input=program, capture_output=True, text=True, timeout=120,
        env={**os.environ, "SUPERKABE_API_KEY": key},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


NODE = ["node", "--input-type=module", "-"]


@needs("curl")
def test_curl(key, ids):
    listing, creation, launch = re.split(r"\n(?=# )", filled(PROGRAMS["10 cURL"], ids))

    assert json.loads(run(["sh", "-e"], listing, key)) == {
        "success": True, "data": [],
        "meta": {"total": 0, "page": 1, "limit": 1000, "totalPages": 0, "next_cursor": None},
    }  # fmt: skip
    made = json.loads(run(["sh", "-e"], creation, key))["data"]
    launched = json.loads(run(["sh", "-e"], launch.replace("cmp_abc", made["id"]), key))

    assert launched["data"] == {"id": made["id"], "status": "active", "leads": 2, "steps": 1}
    assert Campaign.objects.get().status == "active"


@needs("node")
def test_node(key, ids):
    assert run(NODE, filled(PROGRAMS["10 Node.js (fetch)"], ids), key).strip() == "self_hosted"

    campaign = Campaign.objects.get()
    assert (campaign.name, campaign.status, campaign.enrollments.count()) == ("April outbound", "active", 1)


@needs("node")
def test_node_says_what_went_wrong(ids):
    program = filled(PROGRAMS["10 Node.js (fetch)"], ids)
    with pytest.raises(AssertionError, match=r"Error: .*key"):
        run(NODE, program, "aiob_test_wrong")


def test_python(acme, key, ids):
    make.run(acme, name="April outbound")

    program = filled(PROGRAMS["10 Python (requests)"], ids)

    assert run([sys.executable, "-"], program, key) == "April outbound - 0.00%\n"
    with pytest.raises(AssertionError, match="SuperkabeError: .*key"):
        run([sys.executable, "-"], program, "aiob_test_wrong")


@needs("curl", "jq")
def test_the_whole_pipeline_with_curl(acme, key, ids):
    printed = run(["sh", "-e"], filled(PROGRAMS["AI Outbound OS: full pipeline with curl"], {**ids, "aiob_...": key}))

    added, launched = [json.loads(line) for line in printed.replace("}{", "}\n{").splitlines()]
    assert (added["data"]["created"], launched["data"]["status"]) == (1, "running")
    run_of = Campaign.objects.get(pk=launched["data"]["id"])
    assert (run_of.group.name, run_of.group.color) == ("London Agencies", "emerald")
    assert [each.lead.email for each in run_of.enrollments.select_related("lead")] == ["jo@acme.com"]


ASK_OFTEN = """
const seen = [];
const ask = globalThis.fetch;
globalThis.fetch = async (req) => { const res = await ask(req); seen.push(res.status); return res; };
const request = () => new Request('API/groups', {headers: {Authorization: 'Bearer KEY'}});
const answers = await Promise.all(Array.from({length: HOW_OFTEN}, () => call(request())));
const thrown = await call(new Request('API/groups', {headers: {Authorization: 'Bearer no'}})).catch(e => e);
console.log(JSON.stringify({seen, done: answers.filter(a => a.success).length, thrown}));
"""


@needs("node")
def test_the_retry_loop_gets_through_a_limit_and_gives_up_on_what_stays_wrong(server, key):
    more = ASK_OFTEN.replace("API", server.api).replace("KEY", key).replace("HOW_OFTEN", str(BURST + 4))

    told = json.loads(run(NODE, PROGRAMS["5 Retry strategy"] + more))

    assert told["done"] == BURST + 4
    assert 429 in told["seen"]
    assert (told["thrown"]["success"], told["thrown"]["code"]) == (False, "authentication_failed")
    assert told["seen"].count(401) == 1
