"""Storms over the real dispatcher, post office and PostgreSQL; a mail server counts what arrives. One line each.

    python -m tests.faults.chaos                      all of them, as long as the acceptance asks
    python -m tests.faults.chaos kills --times 100    one, shorter
    python -m tests.faults.chaos kills --seed 7       the same choices again (their moments are the machine's)

Status 1 when one did not hold. `--here` takes the database that DATABASE_URL names, migrated and empty.
"""

import argparse
import os
import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.faults.chaos.databases import own_cluster, own_database

# As short as the settings allow. The grace exceeds the dot's time-out by more than the 5 s after which no dot is sent.
SHORT = {
    "CLAIM_LEASE_SECONDS": "5", "SMTP_STEP_TIMEOUT_SECONDS": "3", "SMTP_DOT_TIMEOUT_SECONDS": "3",
    "UNKNOWN_AFTER_SECONDS": "9", "DISPATCH_SECONDS": "1", "SEND_TICK_SECONDS": "1", "DISPATCH_THREADS": "1",
    "IMAP_POLL_SECONDS": "1", "IMAP_STEP_TIMEOUT_SECONDS": "10", "SENT_COPY_WITHIN_SECONDS": "20",
    "OUTBOUND_PRIVATE_NETWORKS": "127.0.0.0/8", "LOG_LEVEL": "WARNING", "DJANGO_SETTINGS_MODULE": "outbound.settings",
}  # fmt: skip
TIMES = {"kills": 2000, "settles": 300, "stops": 300, "restarts": 20, "pauses": 500, "optouts": 500}
# Races are between a commit and its dot: there a worker lingers.
LINGER = {"pauses": "T3.committed=delay:0.1@*", "optouts": "T3.committed=delay:0.3@*"}
LEADS = {"optouts": 1000}


def main(arguments: list[str]) -> int:
    options = parsed(arguments)
    if len(options.storms) > 1:  # each with a parent of its own: Django is loaded for one database
        return max(_in_a_process(storm, options) for storm in options.storms)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        cluster = stack.enter_context(own_cluster()) if options.storms == ["restarts"] else None
        url = cluster.url() if cluster else options.here or stack.enter_context(own_database())
        os.environ.update(SHORT, DATABASE_URL=url, OUTBOUND_HOME=str(folder))
        os.environ["FAILPOINTS"] = LINGER.get(options.storms[0], "")
        os.environ.pop("REDIS_URL", None)
        return _storm(options, folder, cluster)


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description="Storms over the post office; see the module's words.")
    parser.add_argument("storms", nargs="*", choices=[*TIMES, []], help="which; all when none is named")
    parser.add_argument("--times", type=int, help="how many kills, stops or restarts")
    parser.add_argument("--workers", type=int, help="processes at once")
    parser.add_argument("--leads", type=int, help="people who get every wave's mails")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--here", help="the URL of a migrated, empty database; a new one when absent")
    options = parser.parse_args(arguments)
    options.storms = options.storms or list(TIMES)
    return options


def _in_a_process(storm: str, options: argparse.Namespace) -> int:
    """In a child, so that one storm's Django is not another's."""
    pid = os.fork()
    if pid == 0:
        more = ["--times", str(options.times)] if options.times else []
        more += ["--workers", str(options.workers)] if options.workers else []
        more += ["--leads", str(options.leads)] if options.leads else []
        os._exit(main([storm, *more, "--seed", str(options.seed)]))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _storm(options: argparse.Namespace, folder: Path, cluster) -> int:
    import django

    django.setup()
    from django.core.management import call_command

    if not options.here:
        call_command("migrate", verbosity=0)
    from tests.faults.chaos.storms import Storm

    (name,) = options.storms
    storm = Storm(name, times=options.times or TIMES[name], workers=options.workers, seed=options.seed)
    line, held = storm.blow(folder, leads=options.leads or LEADS.get(name, 400), cluster=cluster)
    print(line, flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
