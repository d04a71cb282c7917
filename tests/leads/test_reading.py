import contextlib
import csv
import io
import json
import random
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.reading import UnreadableFile, read_rows
from leads.tables import MAX_CELL
from leads.xlsx_rows import MAX_RATIO

SPECTRUM = Path(__file__).parents[1] / "data/csv-spectrum"
GERMAN = "Vorname;Nachname;Straße\nJürgen;Müller;Königsweg 5, Hof\nZoë;Weiß;Größe"


def read(content: str | bytes, **options):
    return read_rows(io.BytesIO(content.encode() if isinstance(content, str) else content), **options)


def values(table) -> list[list[str]]:
    return [list(row.cells.values()) for row in table.rows]


def workbook(*rows, title="People") -> bytes:
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


class TestCorpus:
    @pytest.mark.parametrize("path", sorted(SPECTRUM.glob("*.csv")), ids=lambda path: path.stem)
    def test_it_reads_what_the_twin_says(self, path):
        expected = json.loads(path.with_suffix(".json").read_text())
        table = read(path.read_bytes())
        assert [row.cells for row in table.rows] == expected


class TestEncoding:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
    def test_umlauts_survive(self, encoding):
        table = read(GERMAN.encode(encoding))
        assert table.columns == ["Vorname", "Nachname", "Straße"]
        assert values(table)[0] == ["Jürgen", "Müller", "Königsweg 5, Hof"]

    def test_polish_from_an_old_windows_is_polish(self):
        text = "Imię;Nazwisko\nMałgorzata;Dąbrowska\nŁukasz;Żółkiewski\n"
        assert values(read(text.encode("cp1250")))[0] == ["Małgorzata", "Dąbrowska"]

    def test_cyrillic_is_recognised_by_statistics(self):
        text = "Имя;Фамилия;Компания\n" + "Иван;Петров;Ромашка\nАнна;Сидорова;Весенний ветер\n" * 20
        assert values(read(text.encode("cp1251")))[0] == ["Иван", "Петров", "Ромашка"]

    def test_the_senders_word_counts_when_it_fits(self):
        content = "Jméno;Město\nJiří;Plzeň\n".encode("cp1250")
        assert values(read(content, content_type="text/csv; charset=windows-1250")) == [["Jiří", "Plzeň"]]

    @pytest.mark.parametrize("charset", ["utf-16", "zip", "unicode_escape", "nonsense", "utf-8\r\nx: y", ""])
    def test_a_wrong_or_strange_word_is_ignored(self, charset):
        assert values(read(GERMAN.encode("cp1252"), content_type=f"text/csv; charset={charset}"))[1][0] == "Zoë"

    def test_a_stray_windows_byte_far_below_costs_nothing(self):
        content = b"name,city\n" + b"Ana,Lisboa\n" * 40_000 + "Zoë,Köln\n".encode("cp1252") + "Zoë,Köln\n".encode()
        assert values(read(content))[-2:] == [["Zoë", "Köln"]] * 2


class TestDelimiter:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_it_is_found_among_quoted_line_breaks_and_commas_in_values(self, delimiter):
        file = io.StringIO()
        rows = [["a", "b, or c", "d"], ["1,5", "x\ny;z", "2,5"], ["3,5", "", "4,5"]]
        csv.writer(file, delimiter=delimiter).writerows(rows)
        table = read(file.getvalue())
        assert (table.delimiter, table.columns, values(table)) == (delimiter, rows[0], rows[1:])

    def test_a_semicolon_file_full_of_commas(self):
        body = "".join(f"Ana;Berlin, Mitte, {n};1,{n}\n" for n in range(20))
        assert read("name;place;score\n" + body).delimiter == ";"

    def test_a_comma_file_full_of_lists_with_semicolons(self):
        assert read("name,groups\n" + "Ana,a;b;c\n" * 20).delimiter == ","

    def test_excels_own_hint_is_obeyed_and_not_a_row(self):
        table = read("sep=|\na,b|c\n1|2\n")
        assert table.columns == ["a,b", "c"]
        assert next(table.rows).line == 3

    def test_one_column_is_a_table_too(self):
        table = read("email\nana@example.com\n")
        assert (table.columns, values(table)) == (["email"], [["ana@example.com"]])


class TestHeader:
    def test_twins_are_numbered_and_blanks_named(self):
        columns = read("Name,Name,,Name (2), E \n1,2,3,4,5").columns
        assert columns == ["Name", "Name (2)", "Column 3", "Name (2) (2)", "E"]

    def test_leading_blank_lines_are_skipped(self):
        table = read("\n\n,,\na,b\n1,2\n")
        assert table.columns == ["a", "b"]
        assert next(table.rows).line == 5

    def test_a_header_alone_is_a_table_without_rows(self):
        assert values(read("email,name\n")) == []

    @pytest.mark.parametrize(
        "content",
        [b"", b" \n \n", b",,\n,,\n", b"ana@example.com,Ana\n", b"a\0b,c\n", b"x" * 20_000, b"a," * 501, b'"open\nx\n'],
    )
    def test_a_file_without_usable_names_is_refused_with_a_sentence(self, content):
        with pytest.raises(UnreadableFile, match=r"^[A-Z].+\.$"):
            read(content)


class TestRows:
    def test_the_line_is_where_the_record_starts(self):
        table = read('a,b\r\n1,"x\r\ny\r\nz"\r\n\r\n2,w\r\n')
        assert [row.line for row in table.rows] == [2, 6]

    @pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
    def test_any_line_ending_will_do(self, ending):
        assert values(read(ending.join(["a,b", "1,2", "3,4"]))) == [["1", "2"], ["3", "4"]]

    def test_too_many_cells_are_an_error_that_counts_them(self):
        rows = list(read("a,b\n1,2,3\n4,5\n").rows)
        assert rows[0] == (2, {}, "The row has 3 cells, the header has 2.")
        assert rows[1].cells == {"a": "4", "b": "5"}

    def test_missing_cells_are_empty_and_surplus_blanks_forgiven(self):
        assert values(read("a,b,c\n1\n1,2,3,,\n")) == [["1", "", ""], ["1", "2", "3"]]

    def test_blank_lines_are_no_rows(self):
        assert values(read("a,b\n\n , \n,,,\n1,2\n")) == [["1", "2"]]

    @pytest.mark.parametrize(
        "cell", ["x\0y", "x" * (MAX_CELL + 1), "x" * 200_000, "x" * 3_000_000, '"' + "y\n" * 9_000 + '"']
    )
    def test_a_bad_cell_costs_its_row_only(self, cell):
        rows = list(read(f"a,b\n1,{cell}\n2,fine\n").rows)
        assert [bool(row.error) for row in rows] == [True, False]
        assert rows[1].cells == {"a": "2", "b": "fine"}

    @pytest.mark.parametrize("follow", [3, 30_000])
    def test_a_stray_quote_costs_its_line_only(self, follow):
        rows = list(read('a,b\n1,ok\n2,"stray\n' + "3,fine\n" * follow).rows)
        assert [row.line for row in rows if row.error] == [3]
        assert len(rows) == follow + 2
        assert (rows[-1].line, rows[-1].cells) == (follow + 3, {"a": "3", "b": "fine"})

    def test_quotes_inside_a_cell_are_text(self):
        assert values(read('a,b\nPipe 5" wide,x\n')) == [['Pipe 5" wide', "x"]]

    @given(st.text(max_size=300), st.sampled_from(["utf-8", "utf-16"]), st.sampled_from([b"", b"a,b\n"]))
    def test_no_text_makes_it_fail_otherwise(self, text, encoding, start):
        with contextlib.suppress(UnreadableFile):
            for row in read(start + text.encode(encoding, "surrogatepass")).rows:
                assert row.error or row.cells

    @given(st.binary(max_size=200))
    def test_no_bytes_make_it_fail_otherwise(self, content):
        with contextlib.suppress(UnreadableFile):
            list(read(content).rows)


class Stream:
    """A source that can only be read forwards, in small pieces, and remembers how far it got."""

    def __init__(self, content: bytes):
        self.file, self.given = io.BytesIO(content), 0

    def read(self, size=-1):
        piece = self.file.read(min(size, 5_000) if size >= 0 else -1)
        self.given += len(piece)
        return piece


class TestSource:
    def test_rows_are_read_as_they_are_asked_for(self):
        source = Stream(b"a,b\n" + b"1,2\n" * 1_000_000)
        table = read_rows(source, filename="big.csv")
        assert next(table.rows).cells == {"a": "1", "b": "2"}
        assert source.given < 1_000_000

    def test_the_file_stays_open(self):
        file = io.BytesIO(b"a,b\n1,2\n")
        list(read_rows(file, filename="x.csv").rows)
        assert not file.closed

    def test_a_workbook_may_come_from_a_stream(self):
        assert values(read_rows(Stream(workbook(["a"], ["1"])))) == [["1"]]

    @pytest.mark.parametrize(
        "content",
        [b"\xd0\xcf\x11\xe0rest", b"\x1f\x8b\x08rest", b"%PDF-1.7", b'{"a": 1}', b"<html>", b"PK\x03\x04junk",
         bytes(range(1, 9)) * 40],
    )  # fmt: skip
    def test_what_is_no_table_is_refused_with_a_sentence(self, content):
        with pytest.raises(UnreadableFile, match=r"^[A-Z].+\.$"):
            read(content)


class TestWorkbook:
    def test_cells_are_as_a_person_would_type_them(self):
        header = ["day", "moment", "phone", "ratio", "yes", "name", "none"]
        row = [date(2026, 3, 1), datetime(2026, 3, 1, 9, 30), 491701234567.0, 0.5, True, "Zoë", None]
        table = read(workbook(header, row), filename="leads.xlsx")
        assert (table.kind, table.sheet, table.columns) == ("xlsx", "People", header)
        assert values(table) == [["2026-03-01", "2026-03-01T09:30:00", "491701234567", "0.5", "true", "Zoë", ""]]

    def test_rows_carry_their_number_and_blank_ones_are_skipped(self):
        rows = list(read(workbook(["a", "b"], [None, " "], ["1", "2"], ["1", "2", "3"])).rows)
        assert [(row.line, row.error) for row in rows] == [(3, ""), (4, "The row has 3 cells, the header has 2.")]

    def test_a_bomb_is_refused_before_it_is_opened(self):
        file = io.BytesIO(workbook(["a"], ["1"]))
        with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/worksheets/sheet2.xml", b" " * 20_000_000)
        assert 20_000_000 / len(file.getvalue()) > MAX_RATIO
        with pytest.raises(UnreadableFile, match="unpacks"):
            read(file.getvalue())

    def test_another_archive_is_not_a_workbook(self):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("leads.csv", "a,b")
        with pytest.raises(UnreadableFile, match="not an Excel workbook"):
            read(file.getvalue())

    def test_an_empty_sheet_is_refused(self):
        with pytest.raises(UnreadableFile, match="no rows"):
            read(workbook())

    def test_damage_is_said_plainly(self):
        whole, source = workbook(["a", "b"], *[["1", str(n)] for n in range(50)]), random.Random(11)
        for _ in range(150):
            damaged = bytearray(whole)
            for _ in range(source.randrange(1, 6)):
                damaged[source.randrange(4, len(damaged))] = source.randrange(256)
            with contextlib.suppress(UnreadableFile):
                list(read(bytes(damaged[: source.choice([None, None, len(damaged) // 2])])).rows)
