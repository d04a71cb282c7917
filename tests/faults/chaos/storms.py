"""Kills, stops, restarts and races: when and whom they hit is drawn from a seed, where in a send is left to chance."""

import random
import time
from contextlib import ExitStack
from pathlib import Path

from django.conf import settings
from django.db import OperationalError, connections

from tests.faults.chaos.fleet import Fleet
from tests.faults.chaos.races import RACES, Door, broken
from tests.faults.chaos.story import Story, drain, judge, parked_ever, reasons, settle
from tests.faults.product import smtp_server
from tests.faults.web import web

LOOK = 0.5  # seconds between two looks at whether there is enough to do


class Storm:
    """`times` blows on `workers` processes while mail is sent; then calm until everything has its end."""

    WORKERS = {"kills": 6, "settles": 6, "stops": 20, "restarts": 4, "pauses": 4, "optouts": 4}
    WORDS = {
        "kills": "SIGKILLs", "settles": "SIGKILLs with a Sent folder to look into",
        "stops": "SIGSTOPs longer than the lease", "restarts": "hard database restarts",
        "pauses": "pauses acknowledged", "optouts": "opt-outs acknowledged",
    }  # fmt: skip

    def __init__(self, name: str, *, times: int, workers: int | None, seed: int):
        self.name, self.times, self.seed = name, times, seed
        self.workers = workers or self.WORKERS[name]
        self.rng = random.Random(seed)
        self.race = None

    def blow(self, folder: Path, *, leads: int, cluster=None) -> tuple[str, bool]:
        """The line of figures, and whether everything held."""
        began = time.monotonic()
        with ExitStack() as stack:
            settles = self.name == "settles"
            server = stack.enter_context(smtp_server(folder, keeps=settles))
            log = stack.enter_context((folder / "workers.log").open("ab"))
            stack.callback(connections.close_all)
            story = Story(server.port, leads=leads, imap_port=server.imap_port)
            story.start_wave()
            if self.name in RACES:
                door = Door(stack.enter_context(web(folder)).url, story.workspace)
                self.race = RACES[self.name](story, door, self.rng)
            fleet = Fleet(self.workers, log, reads=settles)
            stack.callback(fleet.end)
            self._rage(fleet, story, cluster)
            (settle if settles else drain)(story)
            parked, why = parked_ever(), "".join(f" ({reason})" for reason in sorted(reasons()))
            verdict, died = judge(story, server), fleet.died()
            late = broken(self.race, server.lines()) if self.race else 0
        held = verdict.held(parked_at_most=0 if self.race or settles else self.times) and not died and not late
        said = [f"{self.times} {self.WORDS[self.name]} on {self.workers} workers", verdict.line()]
        said += [f"{late} after the acknowledgement"] if self.race else []
        said += [f"{parked} had been parked{why}"] if settles else []
        said += [f"{died} workers ended by themselves"] if died else []
        line = f"{self.name}: {', '.join(said)}, {round(time.monotonic() - began)} s, seed {self.seed}"
        return line if held else f"{line}  FAILED\n{(folder / 'workers.log').read_text()[-3000:]}", held

    def _rage(self, fleet: Fleet, story: Story, cluster) -> None:
        blow = {"kills": self._kill, "settles": self._kill, "stops": self._stop, "restarts": self._restart}.get(
            self.name, self._race
        )
        done, look_at = 0, 0.0
        while done < self.times:
            if time.monotonic() >= look_at:
                self._keep_busy(story)
                look_at = time.monotonic() + LOOK
            done += blow(fleet, cluster)
        fleet.wake(all_of_them=True)
        if self.race:
            self.race.let_go()

    def _keep_busy(self, story: Story) -> None:
        """A worker that has nothing to do proves nothing when it dies."""
        try:
            if story.is_nearly_over():
                if self.race:
                    self.race.let_go()
                story.start_wave()
        except OperationalError:  # the database is just coming up again
            pass
        connections.close_all()

    def _race(self, *_) -> int:
        return self.race.race()

    def _kill(self, fleet: Fleet, _) -> int:
        time.sleep(self.rng.expovariate(1 / 0.04))
        fleet.kill(self.rng)
        return 1

    def _stop(self, fleet: Fleet, _) -> int:
        """From just over the lease to just over the grace."""
        time.sleep(self.rng.expovariate(1 / 0.2))
        fleet.wake()
        longest = settings.UNKNOWN_AFTER_SECONDS + 2
        return fleet.stop(self.rng, seconds=self.rng.uniform(settings.CLAIM_LEASE_SECONDS + 0.2, longest))

    def _restart(self, fleet: Fleet, cluster) -> int:
        time.sleep(self.rng.uniform(0.5, 3))
        cluster.crash()
        return 1
