"""The people: two messy files become leads, the leads a group, and a prompt becomes a line for each of them."""

from functools import partial

from outbound.demo.screen import wait_for
from outbound.demo.stage import Stage

FILES = ("leads.csv", "leads_eu.csv")
GROUP = "Everyone in the example files"
VARIABLE = "opening_line"
PROMPT = "Write one friendly opening line to {{first_name|somebody}}, {{title}} at {{company}}."
AT_ONCE = 5000  # lead ids in one request


def import_files(stage: Stage) -> None:
    stage.screen.heading("1. Import two messy files   POST /api/v1/imports")
    for name in FILES:
        content = (stage.examples / name).read_bytes()
        queued = stage.rest.upload("/imports", content=content, content_type="text/csv", filename=name)
        batch = wait_for(partial(_read_in, stage, queued["id"]), why=f"{name} to be read")
        stage.facts.imports.append(batch)
        _show_import(stage, batch)
    stage.facts.leads = {lead["email"]: lead for lead in stage.rest.every("/leads")}


def _read_in(stage: Stage, import_id: str) -> dict | None:
    batch = stage.rest.get(f"/imports/{import_id}")
    return batch if batch["state"] in ("done", "failed") else None


def _show_import(stage: Stage, batch: dict) -> None:
    stage.screen.say(
        f"   {batch['filename']}: {batch['total']} rows → {batch['created']} new leads, "
        f"{batch['updated']} known already, {batch['duplicates']} duplicates, {batch['rejected']} refused"
    )
    for problem in sorted(batch["problems"], key=lambda row: row["line"])[:3]:
        stage.screen.say(f"      line {problem['line']}: {problem['email'] or 'no address'} – {problem['reason']}")
    if batch["rejected"] > 3:
        stage.screen.say(f"      … and {batch['rejected'] - 3} more, each with its line and reason")


def make_group(stage: Stage) -> None:
    stage.screen.heading("2. Make an audience   POST /groups")
    group = stage.rest.post("/groups", {"name": GROUP, "color": "emerald"})
    ids = [lead["id"] for lead in stage.facts.leads.values()]
    for start in range(0, len(ids), AT_ONCE):
        stage.rest.post(f"/groups/{group['id']}", {"lead_ids": ids[start : start + AT_ONCE]})
    stage.facts.group = stage.rest.get(f"/groups/{group['id']}")
    stage.screen.say(f"   “{GROUP}”: {stage.facts.group['leads_count']} leads")


def write_lines(stage: Stage) -> None:
    stage.screen.heading("3. Have a line written for each lead   POST /variables/opening_line/generate")
    stage.screen.say(f"   Prompt: {PROMPT}")
    stage.rest.post("/variables", {"name": VARIABLE, "prompt_template": PROMPT})
    asked = stage.rest.post(f"/variables/{VARIABLE}/generate", {"group_id": stage.facts.group["id"]})
    wait_for(lambda: _progress(stage), why="the lines to be written")
    counts = stage.facts.variable["counts"]
    by = "sample text: no model is called in a test workspace" if asked["writer"] == "sandbox" else asked["writer"]
    stage.screen.say(f"   {counts['done']} written ({by}), {counts['skipped']} skipped: the lead has no title")


def _progress(stage: Stage) -> bool:
    stage.facts.variable = stage.rest.get(f"/variables/{VARIABLE}")
    counts = stage.facts.variable["counts"]
    settled = sum(counts[state] for state in ("done", "failed", "skipped", "overridden"))
    stage.screen.bar("written", settled, counts["total"])
    return stage.facts.variable["pct"] == 100
