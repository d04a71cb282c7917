"""The main job, from a messy file to answered mails, in the order in which one does it."""

from outbound.demo.expectations import EXPECTATIONS, broken
from outbound.demo.fortnight import let_time_pass
from outbound.demo.mail import build_sequence, help_the_held, launch, preview
from outbound.demo.people import import_files, make_group, write_lines
from outbound.demo.stage import Stage
from outbound.demo.summary import show_summary

STEPS = (
    import_files,
    make_group,
    write_lines,
    build_sequence,
    preview,
    launch,
    help_the_held,
    let_time_pass,
    show_summary,
)


def tell(stage: Stage) -> bool:
    """Play it through; True when every expectation held."""
    for step in STEPS:
        step(stage)
    return _judge(stage)


def _judge(stage: Stage) -> bool:
    stage.screen.heading("What had to hold")
    failed = dict(broken(stage.facts))
    for sentence, _ in EXPECTATIONS:
        stage.screen.say(f"   {'✗' if sentence in failed else '✓'} {sentence}")
        if sentence in failed:
            stage.screen.say(f"       but: {str(failed[sentence])[:600]}")
    held = len(EXPECTATIONS) - len(failed)
    stage.screen.say(f"\n   {held} of {len(EXPECTATIONS)} held.")
    return not failed
