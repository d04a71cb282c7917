"""Write leads.csv and leads_eu.csv again, byte for byte: python examples/make_examples.py

Everyone in them is invented. Companies live at names reserved for examples (RFC 2606: .example, example.com/.net/.org),
magic recipients at sandbox.test, telephone numbers in ranges kept for fiction (555-01xx, Ofcom's 020 7946 0xxx,
Berlin's 030 23125). Only the throw-away mail domains exist, since a check against the real list needs real names.
"""

import csv
import io
import unicodedata
from pathlib import Path
from random import Random

HERE = Path(__file__).parent


def words(text: str) -> list[str]:
    return text.split()


FIRST = words("""
    Zoë Jürgen Hélène François Łucja Siân Aoife Mateus João Inês Søren Åsa Björk Ángela Íñigo Chloé Renée Øyvind Dvořka
    Tomás Elif Priya Kwame Yuki Mei Tariq Olga Nadia Pavel Greta Otis Della Marlow Ione Casper Fenna Ruben Talia Wren
""")
LAST = words("""
    Ackerfeld Brontwick Castellmar Dovrefjord Eschenlohr Fáberga Gröttrup Hallgrove Iturrondo Jægersborg Kvistgaard
    Lindenquell Márquezal Nørrevang Ó'Brannock Pellegrand Quintavel Rösselmann Saint-Aubray Tørnqvist Uylenhoek
    Vandermolen-Pryce Wychcombe Yıldırımoğlu Zieliñska D'Arquembeau
""")
COMPANIES = words("""
    Quillmar Brontide Ferrowick Lumenquay Oatgrid Palisarde Tessarine Umberfold Vexillo Wharfstone Zephyrling Cobaltree
    Driftlock Emberhythe Glasswren Hollowpine Inkstead Juniperal Kestrelow Marrowby
""")
FORMS = ("Inc.", "GmbH", "S.à r.l.", "Ltd", "AB", "SAS", "S.L.", "& Söhne", ", LLC", "B.V.")
TITLES = (
    "CEO", "VP Sales", "VP of Sales, EMEA", "Head of Growth", "Chief Revenue Officer", "Founder & CEO",
    "Director, RevOps", "Head of Sales\nDevelopment", "  sales manager ", "CTO", "Geschäftsführerin",
    "Directeur général", 'Owner ("the boss")', "Head of Customer Success 🚀", "COO / CFO", "",
)  # fmt: skip
PLACES = (
    ("Berlin", "", "Germany"), ("São Paulo", "SP", "Brazil"), ("Austin", "Texas", "United States"),
    ("Malmö", "", "Sweden"), ("Lyon", "Auvergne-Rhône-Alpes", "France"), ("Cádiz", "Andalucía", "Spain"),
    ("Łódź", "", "Poland"), ("", "", ""), ("London", "England", "United Kingdom"), ("Zürich", "ZH", "Switzerland"),
)  # fmt: skip
PHONES = ("+1 202-555-01{:02}", "(212) 555-01{:02}", "+44 20 7946 00{:02}", "'+49 30 23125 0{:02}", "", "", "")
INDUSTRIES = ("computer software", "information technology & services", "marketing & advertising", "logistics", "")
LISTS = ("Q2 Outbound", "Q2 Outbound; Founders", "Founders", "Webinar March, Q2 Outbound", "", "", "")
NOTES = (
    "", "", "", "", "Met at the fair in Lyon.\nAsked for prices, call back in March.", 'Said: "not before summer"',
    "=HYPERLINK(\"https://crm.example/\",\"open\")", "uses a competitor; contract until 12/2026", "- prefers e-mail",
)  # fmt: skip

ROLES = words("info sales Support admin hello contact no-reply billing jobs team office press")
DISPOSABLE = (
    "mailinator.com", "yopmail.com", "guerrillamail.com", "10minutemail.com", "trashmail.com", "temp-mail.org",
    "sharklasers.com", "eu.mailinator.com",
)  # fmt: skip
INVALID = (
    "not-an-address", "jo.brandt@", "@quillmar.example", "nils@@oatgrid.example", "mara at vexillo.example",
    "tom@localhost", "ana.ruiz@inkstead..example", "a@b.example; c@d.example", "n/a",
)  # fmt: skip
MAGIC = words("""
    reply+ana reply+bruno reply+chloe reply+dimitri bounce+erik bounce+farah soft+gabriel complaint+hana
    ooo+ines ooo+jonas unsubscribe+karim unsubscribe+lena timeout+mateo ok+nora ok+oskar
""")

APOLLO = (
    "First Name", "Last Name", "Title", "Company", "Company Name for Emails", "Email", "Email Status", "Seniority",
    "Departments", "Work Direct Phone", "Mobile Phone", "# Employees", "Industry", "Person Linkedin Url", "Website",
    "Company Linkedin Url", "City", "State", "Country", "Lists", "Lead Score", "Notes", "Notes", "",
)  # fmt: skip
GERMAN = (
    "Anrede", "Vorname", "Nachname", "Firma", "Position", "E-Mail-Adresse", "Telefon", "Straße", "PLZ", "Ort", "Land",
    "Webseite", "Umsatz (Mio. €)", "Bemerkung",
)  # fmt: skip


class Dice:
    """Only Random.random() is promised to give the same numbers in every Python, so all choices are made from it."""

    def __init__(self, seed: int):
        self.random = Random(seed).random

    def pick(self, choices):
        return choices[int(self.random() * len(choices))]

    def below(self, limit: int) -> int:
        return int(self.random() * limit)

    def shuffled(self, items) -> list:
        return [item for _, item in sorted(((self.random(), n), item) for n, item in enumerate(items))]


def ascii_slug(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.lower().translate(str.maketrans("łøæıß", "loais")))
    return "".join(letter for letter in letters if letter.isascii() and (letter.isalnum() or letter == "-"))


def person(dice: Dice, *, number: int, email: str | None = None, first: str | None = None) -> dict:
    """A row under Apollo's names. Numbers make addresses unique; a missing e-mail is made from the name."""
    first = dice.pick(FIRST) if first is None else first
    last, company = dice.pick(LAST), dice.pick(COMPANIES)
    domain = f"{company.lower()}.example"
    city, state, country = dice.pick(PLACES)
    slug = f"{ascii_slug(first)}-{ascii_slug(last)}-{number}"
    own = f"{ascii_slug(first)}.{ascii_slug(last)}{number}@{domain}"
    return {
        "First Name": first, "Last Name": last, "Title": dice.pick(TITLES), "Company": f"{company} {dice.pick(FORMS)}",
        "Company Name for Emails": company, "Email": own if email is None else email,
        "Email Status": dice.pick(("Verified", "Verified", "Guessed", "Unavailable", "")),
        "Seniority": dice.pick(("c_suite", "vp", "head", "director", "manager")),
        "Departments": dice.pick(("Sales", "C-Suite", "Sales, Marketing", "")),
        "Work Direct Phone": dice.pick(PHONES).format(dice.below(100)),
        "Mobile Phone": dice.pick(PHONES).format(dice.below(100)),
        "# Employees": dice.pick(("12", "48", "51-200", "1,200", "")), "Industry": dice.pick(INDUSTRIES),
        "Person Linkedin Url": dice.pick((f"https://linkedin.example/in/{slug}", "")),
        "Website": dice.pick((f"https://www.{domain}/", f"http://{domain}", domain, "")),
        "Company Linkedin Url": f"https://linkedin.example/company/{company.lower()}",
        "City": city, "State": state, "Country": country, "Lists": dice.pick(LISTS),
        "Lead Score": dice.pick(("", "35", "50", "72", "88", "95.0")), "Notes": dice.pick(NOTES),
    }  # fmt: skip


def dressed(dice: Dice, email: str) -> str:
    """The same address as people paste it."""
    shapes = ("{}", "{}", "{}", "{}", "{}", "{}", " {}", "{}  ", "mailto:{}", "<{}>")
    return dice.pick(shapes).format(email)


def apollo_people(dice: Dice) -> list[dict]:
    plain = [person(dice, number=number) for number in range(1, 156)]
    for number, row in enumerate(plain):
        first = row["First Name"]
        row["First Name"] = "" if number % 15 == 7 else first.upper() if number % 15 == 3 else first
        row["Last Name"] += " " if number % 10 == 2 else ""
        row["Email"] = dressed(dice, row["Email"])
    plain[20]["Email"] = "Renée Pellegrand <renee.pellegrand@bäckerei-quillmar.example>"
    plain[21]["Email"] = "otis@mañana.example"
    plain[22]["Notes"] = "A long story. " * 150
    twins = [person(dice, number=300 + n, email=plain[n * 11]["Email"].upper(), first="") for n in range(12)]
    others = [f"{role}@{dice.pick(COMPANIES).lower()}{n}.example" for n, role in enumerate(ROLES)]
    others += [f"{dice.pick(FIRST[19:]).lower()}{n}@{domain}" for n, domain in enumerate(DISPOSABLE)]
    others = [person(dice, number=0, email=email) for email in (*others, *INVALID, "", "", " ")]
    magic = [person(dice, number=0, email=f"{m}@sandbox.test", first=m.partition("+")[2].title()) for m in MAGIC]
    rows = dice.shuffled([*plain, *others, *magic])
    return [*rows, *dice.shuffled(twins)]  # a twin comes after the one it repeats


def leads_csv() -> bytes:
    """UTF-8 with a byte order mark, CRLF between rows and LF inside cells, as Apollo and Excel leave it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(APOLLO)
    for number, row in enumerate(apollo_people(Dice(20260301))):
        cells = [row[name] for name in APOLLO[:-2]] + ["", ""]  # the second Notes and the nameless column are empty
        if number == 60:
            cells += ["one cell", "too many"]
        writer.writerow(cells[:-2] if number % 50 == 30 else cells)
        if number in (90, 140):
            out.write("\r\n" if number == 90 else "," * (len(APOLLO) - 1) + "\r\n")
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def german_rows(dice: Dice) -> list[list[str]]:
    western = [name for name in FIRST + LAST if name.encode("cp1252", "ignore").decode("cp1252") == name]
    firsts, lasts = [n for n in FIRST if n in western], [n for n in LAST if n in western]
    known = [row["Email"].strip().strip("<>").removeprefix("mailto:") for row in apollo_people(Dice(20260301))]
    known = [email for email in known if email.isascii() and email.split("@")[-1].startswith("tessarine")][:6]
    emails = [email.title() for email in known]
    emails += ["Info@hollowpine.example", "kontakt@juniperal.example", "wegwerf@mailinator.com"]
    emails += ["reply+klaus@sandbox.test"]
    emails += ["kein.at.zeichen.example", "doppelt@@kestrelow.example", "", "post@bücherstube.example"]
    emails += [f"kunde{n}@{dice.pick(COMPANIES).lower()}.example.com" for n in range(24)]
    emails += [emails[-21].upper(), "Wegwerf@Mailinator.com"]  # twice within the file
    return [
        [
            dice.pick(("Herr", "Frau", "")), dice.pick(firsts), dice.pick(lasts),
            f"{dice.pick(COMPANIES)} {dice.pick(FORMS[1:4])}",
            dice.pick(("Geschäftsführer", "Vertriebsleiterin", "Leiter Einkauf, Logistik", "")), email,
            f"+49 30 23125 {dice.below(1000):03}", f"Königsallee {dice.below(90) + 1}", f"{10000 + dice.below(80000)}",
            dice.pick(("Köln", "Düsseldorf", "Wien", "Zürich")), dice.pick(("Deutschland", "Österreich", "Schweiz")),
            "", dice.pick(("2,5", "0,8", "12,0", "")),
            dice.pick(("", "", "Rückruf; bitte vormittags", "Sagte: „später“\nIm Mai")),
        ]
        for email in emails
    ]  # fmt: skip


def leads_eu_csv() -> bytes:
    """Semicolons, decimal commas and Windows' Western encoding, as a German Excel saves it."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerows([GERMAN, *german_rows(Dice(20260302))])
    return out.getvalue().encode("cp1252")


if __name__ == "__main__":
    (HERE / "leads.csv").write_bytes(leads_csv())
    (HERE / "leads_eu.csv").write_bytes(leads_eu_csv())
