import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.columns import (
    CUSTOM_KEY,
    RESERVED_KEYS,
    apply_mapping,
    custom_key,
    guess_mapping,
    mapping_problems,
    split_name,
)
from leads.tables import name_columns

APOLLO = [
    "First Name", "Last Name", "Title", "Company", "Company Name for Emails", "Email", "Email Status", "Seniority",
    "Work Direct Phone", "Mobile Phone", "# Employees", "Industry", "Person Linkedin Url", "Website",
    "Company Linkedin Url", "City", "State", "Country", "Company City",
]  # fmt: skip
CLAY = ["Full Name", "Work Email", "Job Title", "Company Domain", "LinkedIn Profile", "Lead Score", "Location"]


def test_an_apollo_export_maps_itself():
    assert guess_mapping(APOLLO) == {
        "First Name": "first_name", "Last Name": "last_name", "Title": "title", "Company": "company_name",
        "Company Name for Emails": "custom:company_name_for_emails", "Email": "email",
        "Email Status": "custom:email_status", "Seniority": "custom:seniority", "Work Direct Phone": "phone",
        "Mobile Phone": "custom:mobile_phone", "# Employees": "custom:employees", "Industry": "custom:industry",
        "Person Linkedin Url": "linkedin_url", "Website": "website",
        "Company Linkedin Url": "custom:company_linkedin_url", "City": "city", "State": "custom:state",
        "Country": "country", "Company City": "custom:company_city",
    }  # fmt: skip


def test_a_clay_table_maps_itself():
    assert list(guess_mapping(CLAY).values()) == [
        "full_name", "email", "title", "website", "linkedin_url", "lead_score", "custom:location",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "columns",
    [
        ["E-Mail-Adresse", "Vorname", "Nachname", "Firma", "Position", "Telefon", "Ort", "Land"],
        ["Courriel", "Prénom", "Nom", "Société", "Fonction", "Téléphone", "Ville", "Pays"],
        ["Correo electrónico", "Nombre", "Apellidos", "Empresa", "Cargo", "Teléfono", "Ciudad", "País"],
        ["e-mail", "FIRST_NAME", "last  name", "company", "job.title", "Phone #", "city", "COUNTRY"],
    ],
)
def test_german_french_spanish_and_sloppy_headers_are_understood(columns):
    expected = ["email", "first_name", "last_name", "company_name", "title", "phone", "city", "country"]
    assert list(guess_mapping(columns).values()) == expected


def test_the_first_column_wins_a_field_and_the_next_is_kept_beside_it():
    assert guess_mapping(["Email", "Email (2)", "E-mail"]) == {
        "Email": "email", "Email (2)": "custom:email_2", "E-mail": "custom:e_mail"
    }  # fmt: skip


def test_a_full_name_beside_both_parts_is_only_a_fact():
    mapping = guess_mapping(["Full Name", "First Name", "Last Name"])
    assert mapping["Full Name"] == "custom:full_name_2"


def test_guesses_make_room_for_what_is_given():
    mapping = guess_mapping(["Email", "Work Email", "City"], given={"Work Email": "email", "City": None})
    assert mapping == {"Work Email": "email", "City": None, "Email": "custom:email_2"}


def test_our_own_export_brings_no_new_facts():
    mapping = guess_mapping(["id", "email", "lead_score", "status", "groups", "team_size"])
    assert list(mapping.values()) == [None, "email", "lead_score", None, "groups", "custom:team_size"]


def test_columns_without_a_name_are_left_out():
    assert guess_mapping(name_columns(["Email", ""])) == {"Email": "email", "Column 2": None}


@given(st.lists(st.one_of(st.text(max_size=70), st.sampled_from(APOLLO + CLAY)), max_size=12).map(
    lambda header: [title for title in header if "\0" not in title and "@" not in title]))  # fmt: skip
def test_no_two_columns_share_a_target_and_every_target_is_lawful(header):
    columns = name_columns(header)
    mapping = guess_mapping(columns)
    targets = [target for target in mapping.values() if target]
    assert set(mapping) == set(columns)
    assert len(targets) == len(set(targets))
    assert mapping_problems(mapping, columns=columns) == {}


@given(st.text(max_size=200))
def test_a_custom_key_is_always_one_a_template_can_name(column):
    assert CUSTOM_KEY.fullmatch(custom_key(column))


def test_custom_keys_never_hide_a_field():
    mapping = guess_mapping(["Company", "Firma", "Custom", "Random"])
    assert not {target.removeprefix("custom:") for target in mapping.values()} & (RESERVED_KEYS - {"company_name"})


def test_a_mapping_written_by_hand_is_checked_column_by_column():
    columns = ["a", "b", "c", "d", "e"]
    mapping = {"a": "email", "b": "email", "c": "shoe_size", "d": "custom:Not A Key", "e": None, "z": "city"}
    assert set(mapping_problems(mapping, columns=columns)) == {"b", "c", "d", "z"}
    nonsense = {"a": 7, "b": ["email"], "c": {}, "d": True}
    assert set(mapping_problems(guess_mapping(columns, given=nonsense), columns=columns)) == set(nonsense)


class TestApply:
    def test_a_row_becomes_a_lead(self):
        mapping = guess_mapping(["Email", "Title", "Groups", "Lead Score", "Notes", "City"])
        row = {
            "Email": " Ana@Example.com ", "Title": "VP\nSales", "Groups": "CTOs; Berlin, ctos;;", "Lead Score": "87.0",
            "Notes": "two\nlines ", "City": "  ",
        }  # fmt: skip
        assert apply_mapping(row, mapping) == {
            "email": "Ana@Example.com", "title": "VP Sales", "groups": ["CTOs", "Berlin"], "lead_score": 87,
            "custom": {"notes": "two\nlines"},
        }  # fmt: skip

    def test_blank_cells_are_absent_so_that_they_wipe_nothing(self):
        assert apply_mapping({"Email": "a@example.com", "City": " "}, {"Email": "email", "City": "city"}) == {
            "email": "a@example.com"
        }

    def test_a_defused_cell_is_what_it_was(self):
        assert apply_mapping({"Phone": "'+49 30 1234"}, {"Phone": "phone"}) == {"phone": "+49 30 1234"}

    def test_a_score_that_is_no_number_is_left_for_the_leads_own_check(self):
        assert apply_mapping({"S": "high"}, {"S": "lead_score"}) == {"lead_score": "high"}

    @pytest.mark.parametrize(
        ("name", "parts"),
        [
            ("Ana López", ("Ana", "López")),
            ("Dr. Ana María López", ("Ana", "María López")),
            ("López, Ana María", ("Ana María", "López")),
            ("Ana", ("Ana", "")),
            ("Dr.", ("Dr.", "")),
            (",", ("", "")),
        ],
    )
    def test_a_full_name_is_split(self, name, parts):
        assert split_name(name) == parts

    def test_a_name_of_its_own_beats_the_split_one(self):
        mapping = {"Full Name": "full_name", "First": "first_name"}
        assert apply_mapping({"Full Name": "Anna Berg", "First": "Anne"}, mapping) == {
            "first_name": "Anne", "last_name": "Berg"
        }  # fmt: skip
