"""Pauses and opt-outs over real HTTP against workers in the middle of sending: what is answered holds from then on.

The mail server writes down when it read each dot; both ends are on one machine and its clock.
"""

import json
import random
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from sending.models import Message
from sending.services import unsubscribe_url
from tests import make
from tests.faults.chaos.story import Story
from tests.faults.product import subject_of

NEXT_TO_LEAVE = ["claimed", "committed"]
WAVE = re.compile(r"Wave (\d+)")


class Door:
    """The web server, by a full key."""

    def __init__(self, url: str, workspace):
        self.url, self.key = url, make.key(workspace)

    def post(self, path: str) -> tuple[int, dict]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=b"{}", method="POST", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                body = answer.read()
                return answer.status, json.loads(body)["data"] if body.startswith(b"{") else {}
        except urllib.error.HTTPError as error:
            return error.code, {}


@dataclass
class Silence:
    """From `since` on (time.time()) no mail may come, or no more than `allowed`, until `until`."""

    whose: object
    since: float
    allowed: int = 0
    until: float = float("inf")

    def broken_by(self, arrivals: list[float]) -> int:
        return max(0, sum(self.since < at < self.until for at in arrivals) - self.allowed)


class Pauses:
    """One run after the other is paused and, a moment later, resumed."""

    PATIENCE = 2  # so many runs stand still at a time

    def __init__(self, story: Story, door: Door, rng: random.Random):
        self.story, self.door, self.rng = story, door, rng
        self.silences: list[Silence] = []
        self.standing: list[tuple[object, Silence]] = []

    def race(self) -> int:
        time.sleep(self.rng.uniform(0, 0.1))
        waiting = [run for run in self.story.runs if run.pk not in {each.pk for each, _ in self.standing}]
        run = self.rng.choice(waiting)
        status, shown = self.door.post(f"/api/v1/runs/{run.pk}/pause")
        if status == 409:  # it has reached its end
            self.let_go()
            return 0
        assert (status, shown.get("status")) == (200, "paused"), (status, shown)
        whose = (self.story.waves, self.story.runs.index(run))
        self.standing.append((run, Silence(whose, time.time(), allowed=shown["progress"]["in_flight"])))
        if len(self.standing) > self.PATIENCE:
            self.resume(*self.standing.pop(0))
        return 1

    def resume(self, run, silence: Silence) -> None:
        silence.until = time.time()
        status, _ = self.door.post(f"/api/v1/runs/{run.pk}/resume")
        assert status == 200, status
        self.silences.append(silence)

    def let_go(self) -> None:
        while self.standing:
            self.resume(*self.standing.pop())

    def key_of(self, line: dict) -> tuple[int, int]:
        return int(WAVE.search(subject_of(line))[1]), self.story.group_of[line["rcpt"][0]]


class OptOuts:
    """Somebody whose mail is about to leave opts out by the link of that mail."""

    def __init__(self, story: Story, door: Door, rng: random.Random):
        self.story, self.door, self.rng = story, door, rng
        self.silences: list[Silence] = []

    def race(self) -> int:
        time.sleep(self.rng.uniform(0, 0.05))
        rows = Message.objects.filter(state__in=NEXT_TO_LEAVE).exclude(to_email__in=[s.whose for s in self.silences])
        rows = list(rows.select_related("workspace").order_by("send_at", "id")[:3])
        if not rows:
            return 0
        message = self.rng.choice(rows)
        path = unsubscribe_url(self.story.workspace, message.pk).partition("/u/")[2]
        status, _ = self.door.post(f"/u/{path}")
        assert status == 200, status
        self.silences.append(Silence(message.to_email, time.time()))
        return 1

    def let_go(self) -> None:
        """Nothing stands still."""

    def key_of(self, line: dict) -> str:
        return line["rcpt"][0]


RACES = {"pauses": Pauses, "optouts": OptOuts}


def broken(race: Pauses | OptOuts, lines: list[dict]) -> int:
    """How many mails came after an acknowledgement that said they would not."""
    arrivals: dict = {}
    for line in lines:
        arrivals.setdefault(race.key_of(line), []).append(line["at"])
    return sum(silence.broken_by(arrivals.get(silence.whose, [])) for silence in race.silences)
