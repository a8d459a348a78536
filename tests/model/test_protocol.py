from dataclasses import fields, replace

import pytest

from tests.model.exploration import Exploration, Findings
from tests.model.protocol import Rules
from tests.model.state import beginning


def explore(rules: Rules, *, jobs: int, crashes: int, slips: int) -> Findings:
    findings = Exploration(beginning(jobs=jobs, crashes=crashes, slips=slips), rules).run()
    print(findings)  # noqa: T201 - shown with -s, and with a failure
    return findings


@pytest.mark.parametrize(
    ("jobs", "crashes", "slips", "least"),
    [(2, 2, 0, 70_000), (2, 0, 1, 15_000), (1, 2, 1, 15_000)],
    ids=["two jobs and two crashes", "two jobs and a slip", "a job, two crashes and a slip"],
)
def test_whatever_crashes_or_is_lost_every_job_can_end_and_nothing_is_decided_twice(
    jobs: int, crashes: int, slips: int, least: int
) -> None:
    findings = explore(Rules(), jobs=jobs, crashes=crashes, slips=slips)
    assert findings.violation == "", findings
    assert findings.states > least
    assert findings.ends > 1000


BROKEN = {
    "fences_are_checked": "no outcome under a stale fence",
    "outcomes_count_once": "no outcome under a stale fence",
    "attempts_count_before_work": "attempts are counted before work",
    "terminals_are_final": "one terminal per job",
    "claims_are_committed_before_the_answer": "a claim is on disk before work",
    "claims_may_be_repeated": "every job can end",
    "claims_give_a_seat": "every job can end",
    "seals_are_owed_on_disk": "every job can end",
    "seals_are_checked": "a sealed log never changes",
    "seals_keep_what_was_shown": "a number is never used with two contents",
    "log_fences_are_checked": "the fence of a log never falls",
    "entries_are_written_before_shown": "shown implies logged",
}


@pytest.mark.parametrize(("rule", "violation"), BROKEN.items())
def test_no_rule_of_the_protocol_can_be_left_out(rule: str, violation: str) -> None:
    findings = explore(replace(Rules(), **{rule: False}), jobs=1, crashes=2, slips=1)
    assert findings.violation == violation
    assert findings.path


def test_every_rule_is_left_out_once() -> None:
    assert {field.name for field in fields(Rules)} == BROKEN.keys()
