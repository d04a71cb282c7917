"""Faults on purpose: each point of the table is somewhere in the code, and nothing but the environment arms them."""

import os
import re
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from outbound import failpoints
from sending.models import Message
from sending.postoffice import dispatch
from tests.faults.forked import Child
from tests.faults.letters import one_letter
from tests.ops.processes import ROOT
from tests.test_architecture import modules, name_of


@pytest.fixture(autouse=True)
def _none_left():
    yield
    failpoints.arm("")


def named(pattern: str) -> list[tuple[str, str]]:
    """(module, what it names) wherever the product's code says so."""
    return [(name_of(path), found) for path in modules() for found in re.findall(pattern, path.read_text())]


def test_every_point_of_the_table_is_in_the_code_and_every_one_in_the_code_is_in_the_table():
    assert {point for _, point in named(r'failpoints\.hit\("([^"]+)"\)')} == set(failpoints.POINTS)


def test_only_the_settings_arm_them():
    assert {module for module, _ in named(r"(failpoints\.arm|_armed|import arm)\b")} == {
        "outbound.settings", "outbound.failpoints",
    }  # fmt: skip


def test_off_they_do_nothing():
    for point in failpoints.POINTS:
        failpoints.hit(point)


def test_the_environment_arms_them_when_the_process_starts(tmp_path):
    code = (
        "import django; django.setup(); from outbound import failpoints; failpoints.hit('dot.before'); print('alive')"
    )
    base = {**os.environ, "OUTBOUND_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "outbound.settings"}
    ends = [
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=base | more, capture_output=True, check=False)
        for more in ({}, {"FAILPOINTS": "dot.before=kill"})
    ]
    assert (ends[0].returncode, ends[0].stdout) == (0, b"alive\n")
    assert (ends[1].returncode, ends[1].stdout) == (-9, b"")
    assert b"will fail on purpose" in ends[1].stderr


@pytest.mark.parametrize("text", ["T9.nowhere=kill", "dot.before", "dot.before=explode", "dot.before=delay:soon"])
def test_what_it_does_not_know_is_refused(text):
    with pytest.raises(ImproperlyConfigured):
        failpoints.arm(text)


def test_a_fault_happens_at_its_turn_and_once():
    failpoints.arm("T1.claimed=raise@2, T3.locked=raise")
    failpoints.hit("T1.claimed")
    with pytest.raises(failpoints.Injected):
        failpoints.hit("T1.claimed")
    failpoints.hit("T1.claimed")
    with pytest.raises(failpoints.Injected):
        failpoints.hit("T3.locked")


@pytest.mark.django_db(transaction=True)
def test_a_process_can_be_stopped_at_a_point_and_go_on(live, server):
    one_letter(live)
    child = Child(dispatch, faults="T3.committed=stop")
    assert child.wait(stopped=True) == "stopped"
    assert Message.objects.get().state == "committed"
    assert server.bodies == []
    assert child.go_on() == "done"
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"UNKNOWN_AFTER_SECONDS": "305"},
        {"UNKNOWN_AFTER_SECONDS": "15", "SMTP_DOT_TIMEOUT_SECONDS": "10"},
        {"CLAIM_LEASE_SECONDS": "80"},
        {"CLAIM_LEASE_SECONDS": "8", "SMTP_STEP_TIMEOUT_SECONDS": "6"},
    ],
)
def test_a_lease_or_grace_that_is_too_short_stops_the_start(tmp_path, wrong):
    """Also where they are shortened: the grace must outlast the dot, the lease everything before it."""
    base = {**os.environ, "OUTBOUND_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "outbound.settings"}
    start = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        cwd=ROOT,
        env=base | wrong,
        capture_output=True,
        check=False,
    )
    assert start.returncode == 1
    assert next(iter(wrong)).encode() + b" must exceed" in start.stderr
