"""The contracts' own samples as data, and how an answer is held to one."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
_SECTION = re.compile(r"^## (.+)$", re.M)
_BLOCK = re.compile(r"^```json (.+?)\n(.*?)^```$", re.M | re.S)
_COMMENT = re.compile(r"\s*//.*$", re.M)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_PERCENT = re.compile(r"\d+\.\d\d%")
_FORMS = (_MOMENT, _PERCENT)


@dataclass(frozen=True)
class Sample:
    """`value` as printed; `words` and `ranges`: what the comments beside a field allow: {"status": {"active", …}}."""

    value: dict
    words: dict[str, set] = field(default_factory=dict)
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)


def samples(name: str) -> dict[tuple[str, str], Sample]:
    """{(section, kind): Sample} of a file beside this one: ("7.1 GET /account", "answer")."""
    _, *parts = _SECTION.split((HERE / name).read_text())
    sections = zip(parts[::2], parts[1::2], strict=True)
    return {(section, kind): _read(text) for section, body in sections for kind, text in _BLOCK.findall(body)}


def table(name: str, section: str) -> list[list[str]]:
    """The rows of the table under a heading, without the one of names."""
    text = (HERE / name).read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def _read(text: str) -> Sample:
    words, ranges = {}, {}
    for name, comment in re.findall(r'"(\w+)":[^/\n]*//(.*)$', text, re.M):
        if "|" in comment:
            words[name] = set(comment.rpartition(";")[2].replace(" ", "").split("|"))
        if limits := re.fullmatch(r"\s*(\d+) - (\d+)", comment):
            ranges[name] = (int(limits[1]), int(limits[2]))
    return Sample(json.loads(_COMMENT.sub("", text)), words, ranges)


def differences(sample: Sample, answer) -> list[str]:
    """What an answer lacks, shows in another type or form, or says in words that the contract does not know."""
    return list(_compare(sample, sample.value, answer, "answer"))


def _compare(sample: Sample, shown, real, path: str):
    name = path.rpartition(".")[2]
    if isinstance(shown, dict) and isinstance(real, dict):
        yield from (f"{path}.{key} is missing" for key in shown if key not in real)
        for key in [key for key in shown if key in real]:
            yield from _compare(sample, shown[key], real[key], f"{path}.{key}")
    elif isinstance(shown, list) and isinstance(real, list):
        if shown and not real:
            yield f"{path} is empty"
        for index, each in enumerate(real if shown else ()):
            yield from _compare(sample, shown[min(index, len(shown) - 1)], each, f"{path}.{index}")
    elif type(shown) is not type(real):
        yield f"{path} is {real!r} and not {type(shown).__name__}"
    elif name in sample.words and real is not None and real not in sample.words[name]:
        yield f"{path} is {real!r}, none of {sorted(sample.words[name])}"
    elif name in sample.ranges and not sample.ranges[name][0] <= real <= sample.ranges[name][1]:
        yield f"{path} is {real}, outside of {sample.ranges[name]}"
    elif isinstance(shown, str):
        yield from _other_form(shown, real, path)


def _other_form(shown: str, real: str, path: str):
    if shown and not real:
        yield f"{path} is empty text"
    for form in _FORMS:
        if form.fullmatch(shown) and not form.fullmatch(real):
            yield f"{path} is {real!r}, of another form than {shown!r}"


def replaced(value, ids: dict):
    """The sample with our ids, addresses and the like where the contract has its own."""
    if isinstance(value, dict):
        return {key: replaced(each, ids) for key, each in value.items()}
    if isinstance(value, list):
        return [replaced(each, ids) for each in value]
    return ids.get(value, value) if isinstance(value, str) else value
