"""Tokens of people: signing in, what a role may do, and every forgery we could think of."""

import base64
import json
import time

import jwt
import pytest
from django.conf import settings as configured
from django.contrib.auth import get_user_model

from apikeys.models import Membership
from apikeys.scopes import ALL_SCOPES, ROLE_SCOPES
from apikeys.services import add_member
from apikeys.tokens import Access, Refresh, sign_in
from tests.base import Api

PASSWORD = "a long and good one"  # noqa: S105
KEY = configured.SIMPLE_JWT["SIGNING_KEY"]


@pytest.fixture
def ann(acme):
    user = get_user_model().objects.create_user("ann", "Ann@acme.example", PASSWORD)
    add_member(workspace=acme, user=user, role="owner")
    return user


def asked(path: str = "/auth/token", **body):
    return Api()("post", path, body)


def tokens(**body) -> dict:
    answer = asked(**{"email": "ann@acme.example", "password": PASSWORD, **body})
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def claims(raw: str) -> dict:
    return jwt.decode(raw, options={"verify_signature": False})


class TestSigningIn:
    @pytest.mark.parametrize("name", [{"email": "ann@acme.example"}, {"username": "ann"}, {"email": "ann"}])
    def test_it_gives_tokens_that_open_the_workspace(self, ann, acme, name):
        data = asked(password=PASSWORD, **name).json()["data"]

        assert set(data) == {"access", "refresh", "token_type", "expires_in", "role", "scopes", "workspace"}
        assert (data["token_type"], data["expires_in"], data["role"]) == ("Bearer", 900, "owner")
        assert data["workspace"] == {"id": str(acme.id), "name": "Acme", "slug": "acme", "livemode": False}
        assert Api(data["access"]).data("get", "/account")["id"] == str(acme.id)

    @pytest.mark.parametrize(
        "body",
        [
            {"email": "ann@acme.example", "password": "wrong"},
            {"email": "bob@acme.example", "password": PASSWORD},
            {"username": "", "password": PASSWORD, "email": "x"},
            {"email": "ann@acme.example", "password": PASSWORD + " "},
        ],
    )
    def test_whatever_is_wrong_with_the_name_or_password_it_says_the_same(self, ann, body):
        answer = asked(**{name: value for name, value in body.items() if value})

        assert (answer.status_code, answer.json()["code"]) == (401, "wrong_password")
        assert answer.json()["error"] == "There is no active user with this name and password."

    def test_a_deactivated_person_reads_the_same(self, ann):
        get_user_model().objects.update(is_active=False)

        assert asked(email="ann", password=PASSWORD).json()["code"] == "wrong_password"

    def test_an_address_of_two_people_names_nobody(self, ann):
        get_user_model().objects.create_user("ann2", "ann@acme.example", PASSWORD)

        assert asked(email="ann@acme.example", password=PASSWORD).status_code == 401
        assert asked(username="ann", password=PASSWORD).status_code == 200

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"email": "a"},
            {"password": "b"},
            {"email": "a", "username": "b", "password": "c"},
            {"email": "a", "password": "b", "zzz": 1},
            {"email": ["a"], "password": {}},
        ],
    )
    def test_an_incomplete_body_is_400(self, db, body):
        assert asked(**body).status_code == 400

    def test_a_member_of_nothing_is_told_so(self, db):
        get_user_model().objects.create_user("bob", password=PASSWORD)

        answer = asked(username="bob", password=PASSWORD)

        assert (answer.status_code, answer.json()["code"]) == (403, "no_workspace")

    def test_of_several_workspaces_one_must_be_chosen(self, ann, acme, rival):
        add_member(workspace=rival, user=ann, role="viewer")

        answer = asked(email="ann", password=PASSWORD)

        assert (answer.status_code, answer.json()["code"]) == (400, "workspace_required")
        assert answer.json()["details"]["workspaces"] == [
            {"slug": "acme", "name": "Acme"},
            {"slug": "rival", "name": "Rival"},
        ]
        for chosen in ("rival", "Rival", str(rival.id)):
            assert tokens(workspace=chosen)["workspace"]["slug"] == "rival"

    def test_a_strangers_workspace_is_unknown(self, ann, rival):
        answer = asked(email="ann", password=PASSWORD, workspace="rival")

        assert answer.status_code == 400
        assert answer.json()["details"] == {"workspace": ["Unknown: rival. Yours: acme."]}

    def test_tries_are_limited_by_address(self, ann, settings):
        settings.RATE_LIMIT_SIGN_IN_PER_MINUTE = 2

        answers = [
            Api().client.post(
                "/api/v1/auth/token", {"email": "x", "password": "y"}, format="json", REMOTE_ADDR="198.51.100.9"
            )
            for _ in range(3)
        ]

        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert int(answers[2]["Retry-After"]) >= 1


class TestRefreshing:
    def test_it_gives_another_access_token(self, ann):
        answer = asked("/auth/token/refresh", refresh=tokens()["refresh"])

        assert answer.status_code == 200
        assert "refresh" not in answer.json()["data"]
        assert Api(answer.json()["data"]["access"])("get", "/account").status_code == 200

    def test_it_ends_with_the_membership(self, ann):
        refresh = tokens()["refresh"]
        Membership.objects.all().delete()

        assert asked("/auth/token/refresh", refresh=refresh).status_code == 401

    def test_an_access_token_refreshes_nothing(self, ann):
        assert asked("/auth/token/refresh", refresh=tokens()["access"]).status_code == 401

    @pytest.mark.parametrize("raw", ["x", "", "eyJ", "a.b.c", "\u00e9" * 50, "x" * 5000])
    def test_rubbish_is_refused(self, db, raw):
        assert asked("/auth/token/refresh", refresh=raw).status_code in (400, 401)


class TestRoles:
    @pytest.mark.parametrize("role", Membership.Role.values)
    def test_a_role_is_its_scopes(self, ann, acme, role):
        Membership.objects.update(role=role)
        api = Api(tokens()["access"])

        for scope, method, path in [
            ("leads:read", "get", "/leads"),
            ("leads:write", "post", "/groups"),
            ("keys:read", "get", "/keys"),
            ("account:write", "patch", "/account"),
        ]:
            status = api(method, path, {} if method != "get" else None).status_code
            assert (status == 403) == (scope not in ROLE_SCOPES[role]), (scope, status)

    def test_owners_may_all_and_viewers_only_read(self):
        assert ROLE_SCOPES["owner"] == ROLE_SCOPES["admin"] == set(ALL_SCOPES)
        assert all(scope.endswith(":read") for scope in ROLE_SCOPES["viewer"])
        assert not {"keys:read", "keys:write", "account:write"} & ROLE_SCOPES["member"]
        assert set(ROLE_SCOPES) == set(Membership.Role.values)

    def test_a_changed_role_counts_at_once(self, ann):
        api = Api(tokens()["access"])
        Membership.objects.update(role="viewer")

        assert api("post", "/groups", {"name": "G"}).status_code == 403


class TestWhoIsOut:
    """The token is good until it expires; the person behind it is asked for every time."""

    @pytest.mark.parametrize(
        "out",
        [
            lambda ann: get_user_model().objects.update(is_active=False),
            lambda ann: Membership.objects.all().delete(),
            lambda ann: ann.delete(),
            lambda ann: (ann.set_password("another good one"), ann.save()),
        ],
        ids=["deactivated", "no member any more", "deleted", "password changed"],
    )
    def test_it_is_refused_at_once(self, ann, out):
        api = Api(tokens()["access"])
        assert api("get", "/account").status_code == 200
        out(ann)

        assert api("get", "/account").status_code == 401


def signed(payload: dict, key: str = KEY, algorithm: str = "HS256", **headers) -> str:
    return jwt.encode(payload, key, algorithm=algorithm, headers=headers or None)


def part(data) -> str:
    return (
        base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b"=").decode()
    )


FORGERIES = {
    "alg none": lambda c, raw: f"{part({'alg': 'none', 'typ': 'JWT'})}.{raw.split('.')[1]}.",
    "alg None": lambda c, raw: f"{part({'alg': 'None'})}.{raw.split('.')[1]}.{raw.split('.')[2]}",
    "no signature": lambda c, raw: raw.rsplit(".", 1)[0] + ".",
    "two parts": lambda c, raw: raw.rsplit(".", 1)[0],
    "another key": lambda c, raw: signed(c, "x" * 64),
    "SECRET_KEY itself": lambda c, raw: signed(c, configured.SECRET_KEY),
    "another algorithm": lambda c, raw: signed(c, algorithm="HS512"),
    "a key in the header": lambda c, raw: signed(c, "x" * 64, jwk={"kty": "oct", "k": part(b"x" * 64)}),
    "a key id": lambda c, raw: signed(c, "y" * 64, kid="../../dev/null"),
    "a changed payload": lambda c, raw: f"{raw.split('.')[0]}.{part({**c, 'sub': '2'})}.{raw.split('.')[2]}",
    "a flipped bit": lambda c, raw: raw[:-2] + ("A" if raw[-2] != "A" else "B") + raw[-1],
    "expired": lambda c, raw: signed({**c, "exp": int(time.time()) - 1}),
    "issued tomorrow": lambda c, raw: signed({**c, "iat": int(time.time()) + 86_400}),
    "another issuer": lambda c, raw: signed({**c, "iss": "somebody"}),
    "another audience": lambda c, raw: signed({**c, "aud": "elsewhere"}),
    "a refresh token": lambda c, raw: signed({**c, "token_type": "refresh"}),
    "no type": lambda c, raw: signed({name: value for name, value in c.items() if name != "token_type"}),
    "another user": lambda c, raw: signed({**c, "sub": "999999"}),
    "no number as user": lambda c, raw: signed({**c, "sub": "ann' OR 1=1"}),
    "a huge number as user": lambda c, raw: signed({**c, "sub": "9" * 40}),
    "another workspace": lambda c, raw: signed({**c, "workspace": "019f0000-0000-7000-8000-000000000001"}),
    "a list as workspace": lambda c, raw: signed({**c, "workspace": ["x"]}),
    "a wrong password seal": lambda c, raw: signed({**c, "password": "0" * 16}),
    "a number as password seal": lambda c, raw: signed({**c, "password": 1}),
    "a deep header": lambda c, raw: "eyJ" + part(b'{"a":' + b"[" * 4000)[3:] + "." + raw.split(".", 1)[1],
    "a broken header": lambda c, raw: "eyJ." + raw.split(".", 1)[1],
    "a list as payload": lambda c, raw: f"{raw.split('.')[0]}.{part([1])}.{raw.split('.')[2]}",
    "only the beginning": lambda c, raw: "eyJ",
    "not ASCII": lambda c, raw: "eyJ\u00e9.\u00e9.\u00e9",
    **{
        f"no {name}": lambda c, raw, name=name: signed({key: value for key, value in c.items() if key != name})
        for name in ("exp", "iat", "iss", "aud", "sub", "jti", "workspace", "password")
    },
}


class TestForgeries:
    @pytest.mark.parametrize("forge", FORGERIES.values(), ids=list(FORGERIES))
    def test_it_is_401(self, ann, forge):
        raw = tokens()["access"]

        answer = Api(forge(claims(raw), raw))("get", "/account")

        assert answer.status_code == 401, answer.content
        assert answer.json()["code"] == "authentication_failed"
        assert answer["WWW-Authenticate"].startswith("Bearer")

    def test_the_same_claims_signed_by_us_are_good(self, ann):
        """The table above refuses for what each row changed, and not because resigning is wrong."""
        assert Api(signed(claims(tokens()["access"])))("get", "/account").status_code == 200

    def test_a_workspace_that_one_left_cannot_be_written_into_the_token(self, ann, rival):
        forged = signed({**claims(tokens()["access"]), "workspace": str(rival.id)})

        assert Api(forged)("get", "/account").status_code == 401

    def test_a_token_says_no_secret_and_no_scope(self, ann):
        said = claims(tokens()["access"])

        assert set(said) == {"token_type", "exp", "iat", "jti", "sub", "aud", "iss", "workspace", "password"}
        assert ann.password not in json.dumps(said)

    def test_a_key_is_never_tried_as_a_token_nor_a_token_as_a_key(self, ann, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert Api("eyJhbGciOiJIUzI1NiJ9.e30.x")("get", "/account").status_code == 401


def test_a_person_owns_their_own_idempotency_keys(ann, acme, api):
    """The same Idempotency-Key of a key and of a person are two."""
    person = Api(tokens()["access"])

    assert api("post", "/groups", {"name": "One"}, Idempotency_Key="k").status_code == 201
    assert person("post", "/groups", {"name": "Two"}, Idempotency_Key="k").status_code == 201


def test_lifetimes(ann, acme):
    token, _ = sign_in(name="ann", password=PASSWORD)

    assert (Access.lifetime.total_seconds(), Refresh.lifetime.days) == (900, 7)
    assert token["exp"] - token["iat"] == 7 * 86_400
