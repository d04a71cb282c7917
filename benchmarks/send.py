"""Sending: the whole ledger protocol to a local SMTP server, beside django-post-office and a loop without a ledger."""

import smtplib
from dataclasses import replace

from benchmarks.claims import Claim, rounds
from benchmarks.places import product, side, sink
from benchmarks.racing import Run, race

WORKERS = (1, 4)


def measure(full: bool, *, mails: int | None = None, count: int = 5) -> list[Claim]:
    mails = mails or (5000 if full else 400)
    claims = []
    with sink() as port, product() as env:
        side("send_post_office", port, 1, "queue", 0, env=env)
        for workers in WORKERS:
            claims += _claims(port, env, workers, mails, count)
    return claims


def _claims(port: int, env: dict, workers: int, mails: int, count: int) -> list[Claim]:
    sides = {
        "ours": lambda: _checked(port, mails, lambda: _ours(port, env, workers, mails)),
        "post office": lambda: _checked(port, mails, lambda: _post_office(port, env, workers, mails)),
        "bare loop": lambda: _checked(port, mails, lambda: _bare(port, env, workers, mails)),
    }
    done = rounds(sides, count=count)
    figures = ", ".join(f"{name} {done.rate(name):,.0f}/s at {done.cost(name):.2f} ms" for name in sides)
    who = f"send, {workers} worker{'s' if workers > 1 else ''}"
    return [
        Claim(f"{who}, mails/s of django-post-office", done.ratio("ours", "post office"), 2, True, figures),
        Claim(f"{who}, mails/s of a bare loop", done.ratio("ours", "bare loop"), 0.4, True, figures),
    ]


def _ours(port: int, env: dict, workers: int, mails: int) -> Run:
    side("send_queue", port, mails, env=env)
    return race("send_ours", env=env, processes=workers)


def _post_office(port: int, env: dict, workers: int, mails: int) -> Run:
    side("send_post_office", port, workers, "queue", mails, env=env)
    return race("send_post_office", port, workers, env=env)


def _bare(port: int, env: dict, workers: int, mails: int) -> Run:
    side("send_bare_queue", mails, env=env)
    return race("send_bare", port, env=env, processes=workers)


def _checked(port: int, mails: int, run) -> Run:
    """A side that lost or doubled a mail has measured nothing."""
    before = _taken(port)
    done = run()
    if (arrived := _taken(port) - before) != mails:
        raise RuntimeError(f"{mails} mails were due, {arrived} arrived.")
    return replace(done, units=arrived)


def _taken(port: int) -> int:
    with smtplib.SMTP("127.0.0.1", port) as server:
        return int(server.docmd("XCOUNT")[1])
