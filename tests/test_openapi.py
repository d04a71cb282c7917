"""The document that clients are generated from: complete, valid, and without a warning of its generator."""

import re
from html.parser import HTMLParser

import pytest
from django.core.management import call_command
from openapi_spec_validator import OpenAPIV31SpecValidator
from rest_framework.test import APIClient

from outbound.api.examples import examples
from tests import api_examples as pages
from tests.contract import operations
from tests.test_contract import CLIENT, raw

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def document() -> dict:
    answer = APIClient().get("/api/v1/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def documented(document) -> dict[tuple, dict]:
    return {
        (method.upper(), path): operation
        for path, there in document["paths"].items()
        for method, operation in there.items()
        if method in METHODS
    }


def test_it_is_openapi_3_1_and_needs_no_key(document):
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"]


def test_it_holds_the_routes_and_nothing_else(document):
    shown = {(method, re.sub(r"\{[^}]*\}", "{}", path)) for method, path in documented(document)}
    routes = {(o.method, "/api/v1/" + re.sub(r"<[^>]*>", "{}", o.path)) for o in operations()}
    outside = {("POST", "/api/v1/auth/token"), ("POST", "/api/v1/auth/token/refresh")}  # asked without a key

    assert shown - outside == routes


def test_every_operation_has_an_id_a_summary_a_tag_and_its_refusals(document):
    ids = {operation.id for operation in operations()}
    for (method, path), operation in documented(document).items():
        assert operation["operationId"] in ids or path.startswith("/api/v1/auth/"), operation["operationId"]
        assert operation["summary"] and operation["tags"], path
        assert {"400", "401", "429"} <= set(operation["responses"]), (method, path)
        assert all(response["description"] for response in operation["responses"].values())
        if not path.startswith("/api/v1/auth/"):
            assert operation["security"] == [{"apiKey": []}]
        if method != "GET":
            assert any(parameter["name"] == "Idempotency-Key" for parameter in operation["parameters"])


def test_every_operation_shows_an_example_and_the_pages_show_the_same(document):
    missing = {operation["operationId"] for operation in documented(document).values()} - set(examples())
    assert not missing, "Run `make examples`."
    assert pages.PAGE.read_text() == pages.page(document, examples()), "Run `make examples`."
    assert pages.TABLE.search(pages.API_PAGE.read_text())[0] == pages.table(document), "Run `make examples`."


def test_operation_ids_are_unique(document):
    ids = [operation["operationId"] for operation in documented(document).values()]
    assert len(set(ids)) == len(ids)


def test_references_lead_somewhere(document):
    text = str(document)
    for name in set(re.findall(r"#/components/schemas/([^'\"]+)", text)):
        assert name in document["components"]["schemas"], name


def test_every_input_names_and_explains_its_fields(document):
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("InputRequest") or name.startswith("Patched"):
            assert all(field.get("description") for field in schema["properties"].values()), name


def test_a_post_of_leads_takes_one_or_an_array(document):
    post = document["paths"]["/api/v1/leads"]["post"]
    name = post["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]

    one, many = document["components"]["schemas"][name]["oneOf"]

    assert many == {"type": "array", "items": one}


def test_enums_have_readable_names(document):
    assert not [name for name in document["components"]["schemas"] if re.search(r"[0-9a-f]{3}Enum$", name)]


def test_its_generator_warns_of_nothing(capsys):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")

    assert "Warning" not in capsys.readouterr().err


def test_a_validator_that_is_not_ours_finds_nothing(document):
    assert not list(OpenAPIV31SpecValidator(document).iter_errors())


class Sources(HTMLParser):
    def __init__(self, page: str):
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


def test_the_browsable_page_loads_only_local_files_and_they_are_there(db):
    page = CLIENT.get("/api/docs")

    assert page.status_code == 200
    found = Sources(page.content.decode()).found
    assert len(found) >= 3
    assert not re.search(r"(src|href|url)\s*[=:(]\s*['\"]?(https?:)?//", page.content.decode())
    for address in found:
        if address.startswith("/static/"):
            assert CLIENT.get(address).status_code == 200, address


def test_a_write_to_the_document_is_refused_in_the_envelope(db):
    answer = raw("POST", "/openapi.json", {})

    assert answer.status_code == 405
    assert answer.json()["success"] is False
