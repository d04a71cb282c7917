"""The examples that the OpenAPI document and the pages show are what the API answers. `make examples` asks anew."""

import json
import os
import re

import pytest
from openapi_schema_validator import OAS31Validator
from rest_framework.test import APIClient

from outbound.api.examples import FILE, examples
from tests import api_examples as pages
from tests import make
from tests.contract import cast_of
from tests.seeds import Sample, differences

STALE = "Run `make examples`, and look at what it changes."


def the_document() -> dict:
    return APIClient().get("/api/v1/openapi.json").json()


@pytest.fixture
def answers(acme) -> dict[str, tuple]:
    return pages.answers(cast_of(acme), make.key(acme))


@pytest.mark.skipif(os.environ.get("RECORD_EXAMPLES") != "1", reason="writes them anew: `make examples`")
def test_record(answers):
    found = {name: pages.example_of(*answer) for name, answer in sorted(answers.items())}
    FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    examples.cache_clear()
    document = the_document()
    pages.PAGE.write_text(pages.page(document, found))
    text = pages.API_PAGE.read_text()
    pages.API_PAGE.write_text(pages.TABLE.sub(lambda _: pages.table(document), text))


def test_each_is_what_is_answered_now(answers):
    for name, (path, query, body, answer) in answers.items():
        kept, now = examples()[name], pages.example_of(path, query, body, answer)
        assert (kept["path"], kept["query"], kept["request"]) == (now["path"], now["query"], now["request"]), STALE
        assert kept["status"] == answer.status_code, f"{name}: {STALE}"
        assert differences(Sample(kept["answer"]), now["answer"]) == [], f"{name}: {STALE}"


def test_every_answer_is_as_the_document_describes_it(answers):
    """Not the kept example alone: the answer of this moment, against the schema that clients are generated from."""
    document, found = the_document(), {}
    for operation in documented(document):
        answer = answers[operation["operationId"]][3]
        content = operation["responses"][str(answer.status_code)].get("content", {}).get("application/json")
        if content:
            found[operation["operationId"]] = errors(document, content["schema"], answer.json())
    lines = [f"{name} {line}" for name, said in found.items() for line in said]
    assert not lines, "\n".join(lines)


def test_every_request_is_as_the_document_describes_it(db):
    document = the_document()
    for operation in documented(document):
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            if kind == "application/json":
                assert errors(document, content["schema"], content["example"]) == [], operation["operationId"]


def documented(document: dict) -> list[dict]:
    return [operation for there in document["paths"].values() for operation in there.values()]


def closed(schemas: dict) -> dict:
    """What is shown must be described as well."""
    return {
        name: {"additionalProperties": False, **schema} if "properties" in schema else schema
        for name, schema in schemas.items()
    }


def errors(document: dict, schema: dict, value) -> list[str]:
    whole = {**schema, "components": {"schemas": closed(document["components"]["schemas"])}}
    return [f"{each.json_path}: {each.message[:200]}" for each in OAS31Validator(whole).iter_errors(value)]


def test_the_two_shapes_that_the_page_shows_are_answered(api):
    done, failed = map(json.loads, re.findall(r"```json\n(.*?)```", pages.API_PAGE.read_text(), re.S)[:2])

    listed = api("get", "/leads").json()
    refused = api("post", "/sequences", {"name": "S", "steps": [{"body_html": "<p>Hi</p>"}]}).json()

    assert (set(listed), set(listed["meta"])) == (set(done), set(done["meta"]))
    assert {**refused, "request_id": ""} == {**failed, "request_id": ""}
