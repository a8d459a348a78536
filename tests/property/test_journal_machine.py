import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.journal.envelopes import open_envelope
from actors.journal.journal import Journal
from actors.journal.limits import Limits
from actors.journal.retention import Retention
from actors.journal.rows import Budget
from actors.journal.workers import LEASE_S
from actors.stores import StaleEpochError
from pipelines.chores import Orphan
from pipelines.commands import (
    Answer,
    Cancel,
    Claim,
    Delete,
    Failed,
    Finish,
    Outcome,
    Payload,
    Released,
    Remedy,
    Submit,
    Verdict,
)
from pipelines.jobs import ClaimedJob, Fault, Status
from tests.contract.journal_stores import KINDS
from tests.contract.store_kind import Server, StoreKind
from tests.factories import INFERENCE, PROMPTING, ManualClock, generated, job_id, make_ports, rendered, submit
from tests.property.journal_reference import BUDGET, CHANCE, Reference, Row
from tests.property.runs import run

NUMBERS = st.integers(0, 7)
WORKERS = st.sampled_from(["w1", "w2"])
TOPICS = st.sampled_from([PROMPTING, INFERENCE])
BATCHED = st.booleans()  # the command waits, and is committed together with the next ones
AGE_S = 1.0  # that finished jobs are kept
FAULT = Fault("server_error", "boom")
BOOM = Failed(fault=FAULT, remedy=Remedy.RETRY)
FAILURES: st.SearchStrategy[Outcome] = st.builds(
    Failed, fault=st.just(FAULT), remedy=st.sampled_from(Remedy), retry_after_s=st.sampled_from([None, 3.0])
)
RELEASES: st.SearchStrategy[Outcome] = st.just(Released())
RENDERINGS: st.SearchStrategy[Outcome] = st.just(rendered())
COMPLETIONS: st.SearchStrategy[Outcome] = st.sampled_from([Status.COMPLETED, Status.INCOMPLETE]).map(generated)


class Steady(Random):
    """Chance that always comes out the same."""

    def random(self) -> float:
        return CHANCE


class JournalMachine(RuleBasedStateMachine):
    """A real journal beside the reference. What waits in `calls` was told to the reference already."""

    def __init__(self, kind: StoreKind, folder: Path, server: Server) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory(dir=folder)
        self.open_store = kind.make(Path(self.folder.name), server)
        self.clock = ManualClock()
        self.reference = Reference()
        self.claims = 0
        self.calls: list[tuple[Callable[[], Awaitable[Any]], Any]] = []
        self.journal = self.open()

    def open(self) -> Journal:
        ports = replace(make_ports(self.clock), random=Steady())
        self.store = self.open_store()
        limits = Limits(token_budgets={"default": BUDGET}, retention=Retention(age_s=AGE_S))
        return Journal(self.store, ports=ports, coming_s=0, limits=limits)  # 0: commands keep their order

    def teardown(self) -> None:
        self.commit()
        self.journal.close()
        self.runner.close()
        self.folder.cleanup()

    def play(self, call: Callable[[], Awaitable[Any]], expected: Any, *, batched: bool = False) -> None:
        self.calls.append((call, expected))
        if not batched:
            self.commit()

    def commit(self) -> None:
        calls, self.calls = self.calls, []
        if calls:
            answers = self.runner.run(_together([call for call, _ in calls]))
            assert list(map(_plain, answers)) == [expected for _, expected in calls]

    @initialize()
    def begins(self) -> None:
        self._finish(job_id(99), 1, Released())
        for command in [submit(number, max_output_tokens=16) for number in range(4)]:
            self.play(lambda command=command: self.journal.submit([command]), self._submitted(command), batched=True)  # type: ignore[misc]

    @rule(
        number=NUMBERS,
        priority=st.integers(0, 1),
        deadline_s=st.sampled_from([10.0, 5000.0, 5000.0]),
        tokens=st.sampled_from([0, 16, 40]),
        session=st.sampled_from(["", "", "s1"]),
        prompt=st.sampled_from([None, None, rendered().prompt]),
        batched=BATCHED,
    )
    def submits(
        self,
        number: int,
        priority: int,
        deadline_s: float,
        tokens: int,
        session: str,
        prompt: Payload | None,
        *,
        batched: bool,
    ) -> None:
        more = {"priority": priority, "max_output_tokens": tokens, "attached_to": session, "rendered": prompt}
        command = submit(number, deadline_s=deadline_s, **more)
        self.play(lambda: self.journal.submit([command]), self._submitted(command), batched=batched)

    @rule(
        worker=WORKERS,
        slots=st.integers(1, 3),
        limit_s=st.sampled_from([0.0, 0.0, 0.4, 15.0]),
        again=st.booleans(),
        batched=BATCHED,
    )
    def claims_steps(self, worker: str, slots: int, limit_s: float, *, again: bool, batched: bool) -> None:
        held = self.reference.held(worker)
        claim_id = held[0].claim_id if again and held else None
        self._claim(worker, self._busiest(), slots=slots, claim_id=claim_id, limit_s=limit_s, batched=batched)

    @rule(topic=TOPICS, batched=BATCHED)
    def claims_where_there_may_be_nothing(self, topic: str, *, batched: bool) -> None:
        self._claim("w1", topic, batched=batched)

    @precondition(lambda self: self.reference.rows)  # not all were pruned
    @rule(data=st.data(), ending=st.sampled_from(["success", "success", "failure", "release"]), batched=BATCHED)
    def finishes(self, data: st.DataObject, ending: str, *, batched: bool) -> None:
        if not self.reference.count("claimed"):
            self._claim("w1", self._busiest(), batched=batched)
        rows = list(self.reference.rows.values())
        row = data.draw(st.sampled_from([row for row in rows if row.state == "claimed"] or rows))
        success = COMPLETIONS if row.step == "infer" else RENDERINGS
        outcomes = {"success": success, "failure": FAILURES, "release": RELEASES}[ending]
        self._finish(row.id, row.fence, data.draw(outcomes), batched=batched)

    @rule(outcome=COMPLETIONS | RENDERINGS | FAILURES, crashed=st.booleans(), batched=BATCHED)
    def hears_from_a_worker_that_was_given_up(self, outcome: Outcome, *, crashed: bool, batched: bool) -> None:
        self._claim("w1", self._busiest(), batched=batched)
        before = [(row.id, row.fence) for row in self.reference.held("w1")]
        self.loses_a_worker("w1", crashed=crashed, batched=batched)
        self._claim("w2", self._busiest(), batched=batched)
        for job, fence in before:
            self._finish(job, fence, outcome, batched=batched)

    @rule(times=st.sampled_from([5, 11]), outcome=st.sampled_from([Released(), BOOM]))
    def is_unlucky(self, times: int, outcome: Outcome) -> None:
        for _ in range(times):
            self._pass_time(31)
            self._claim("w3", self._busiest(), slots=1)
            for held in self.reference.held("w3"):
                self._finish(held.id, held.fence, outcome)
            self.says_what_the_reference_says()

    @rule(number=NUMBERS, tenant=st.sampled_from(["default", "default", "another"]), batched=BATCHED)
    def cancels(self, number: int, tenant: str, *, batched: bool) -> None:
        command = Cancel(job_id=job_id(number), tenant=tenant)
        expected = [self.reference.cancel(command)]
        self.play(lambda: self.journal.cancel([command]), expected, batched=batched)

    @rule(number=NUMBERS, batched=BATCHED)
    def deletes(self, number: int, *, batched: bool) -> None:
        command = Delete(job_id=job_id(number), tenant="default")
        expected = [self.reference.delete(command.job_id)]
        self.play(lambda: self.journal.delete([command]), expected, batched=batched)

    @rule(limit=st.integers(1, 3), batched=BATCHED)
    def abandons(self, limit: int, *, batched: bool) -> None:
        expected = self.reference.abandon("s1", limit)
        self.play(lambda: self.journal.abandon("s1", limit), expected, batched=batched)

    @rule(worker=WORKERS, crashed=st.booleans(), batched=BATCHED)
    def loses_a_worker(self, worker: str, *, crashed: bool, batched: bool) -> None:
        self.reference.orphan(Orphan(worker=worker, crashed=crashed), self.clock.time)
        self.play(lambda: self.journal.orphan(worker, crashed=crashed), None, batched=batched)

    @rule(seconds=st.sampled_from([0.0, 0.4, 1.0, LEASE_S + 1]))
    def passes_time(self, seconds: float) -> None:
        self._pass_time(seconds)

    @rule(data=st.data())
    def seals(self, data: st.DataObject) -> None:
        self.commit()
        ids = data.draw(st.lists(st.sampled_from(self.reference.unsealed() or [job_id(99)]), max_size=2))
        self._seal(ids)

    @rule(limit=st.integers(1, 3), seals=st.booleans(), seconds=st.sampled_from([0.0, 1.0]), batched=BATCHED)
    def prunes(self, limit: int, seconds: float, *, seals: bool, batched: bool) -> None:
        self._pass_time(seconds)
        if seals:
            self._seal(self.reference.unsealed())
        self.reference.stamp(self.clock.time)
        expected = self.reference.prune(self.clock.time - AGE_S, limit)
        self.play(lambda: self.journal.prune(limit), expected, batched=batched)

    @rule()
    def restarts(self) -> None:
        self.commit()
        self.journal.close()
        self.journal = self.open()

    @rule()
    def is_replaced(self) -> None:
        self.commit()
        old, self.journal = self.journal, self.open()
        with pytest.raises(StaleEpochError):
            self.runner.run(old.submit([submit(9)]))
        old.close()

    @invariant()
    def says_what_the_reference_says(self) -> None:
        if not self.calls:
            rows = self.reference.rows
            jobs = self.runner.run(self.journal.jobs("default", list(rows)))
            assert [_projected(job) for job in jobs] == list(map(_expected, rows.values()))
            for row in rows.values():
                events = self.runner.run(self.journal.events("default", row.id, None, 1000))
                assert [open_envelope(event)[0].type for event in events] == ([] if row.deleted else row.events)
            assert [job.id for job in self.runner.run(self.journal.unsealed(100))] == self.reference.unsealed()

    @invariant()
    def keeps_the_payloads_of_the_jobs_that_there_are(self) -> None:
        if not self.calls:
            rows = self.reference.rows
            said = {event for row in rows.values() for event in row.events}
            kept = {submit(n).request.reference: job_id(n) in rows for n in range(8)}
            kept |= {rendered().prompt.reference: "PromptRendered" in said}
            kept |= {generated().result.reference: "InferenceCompleted" in said}
            found = self.runner.run(self.journal.blobs("default", list(kept)))
            assert [data is not None for data in found] == list(kept.values())

    @invariant()
    def counts_what_there_is(self) -> None:
        if not self.calls:
            assert +self.journal.counts.ready == self.reference.count("ready")
            assert +self.journal.counts.waiting == self.reference.count("waiting")
            for topic in (PROMPTING, INFERENCE):
                assert self.journal.workers.claimed(topic) == self.reference.count("claimed")[topic]

    @invariant()
    def keeps_the_budget(self) -> None:
        if not self.calls:
            with self.store.transaction() as transaction:
                (budget,) = transaction.budgets(["default"]) or [Budget("default")]
            assert (budget.reserved, budget.spent) == self.reference.budget()

    def _submitted(self, command: Submit) -> list[tuple[Verdict, str | None]]:
        return [self.reference.submit(command, self.clock.time)]

    def _claim(
        self,
        worker: str,
        topic: str,
        *,
        slots: int = 4,
        claim_id: str | None = None,
        limit_s: float = 0.0,
        batched: bool = False,
    ) -> None:
        self.claims += 1
        claim_id = claim_id or f"c{self.claims}"
        command = Claim(claim_id=claim_id, topic=topic, worker=worker, slots=slots, limit_s=limit_s)
        expected = sorted(self.reference.claim(command, self.clock.time))
        self.play(lambda: self.journal.claim(command), expected, batched=batched)

    def _busiest(self) -> str:
        ready = self.reference.count("ready")
        return max((PROMPTING, INFERENCE), key=lambda topic: ready[topic])

    def _finish(self, job: str, fence: int, outcome: Outcome, *, batched: bool = False) -> None:
        command = Finish(job_id=job, fence=fence, outcome=outcome)
        expected = [self.reference.finish(command, self.clock.time)]
        self.play(lambda: self.journal.finish([command]), expected, batched=batched)

    def _seal(self, ids: list[str]) -> None:
        for sealed in set(ids) & self.reference.rows.keys():
            self.reference.rows[sealed].sealed = True
        self.play(lambda: self.journal.mark_sealed(ids), None)

    def _pass_time(self, seconds: float) -> None:
        self.commit()
        self.reference.stamp(self.clock.time)
        self.clock.time += seconds
        holders = {row.worker for row in self.reference.rows.values() if row.state == "claimed"}
        assert seconds <= LEASE_S or holders <= set(self.journal.workers.silent())
        self.reference.tick(self.clock.time)
        self.play(self.journal.tick, None)


async def _together(calls: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
    return await asyncio.gather(*(call() for call in calls))


def _plain(reply: list[Answer | ClaimedJob] | int | None) -> Any:
    """The part of a reply that the reference gives as well. Which of its claims a worker hears of first is open."""
    if reply is None or isinstance(reply, int):
        return reply
    claims = [(job.job_id, job.step, job.attempt, job.fence) for job in reply if isinstance(job, ClaimedJob)]
    return sorted(claims) + [(answer.verdict, answer.status) for answer in reply if isinstance(answer, Answer)]


def _projected(job: Any) -> tuple[Any, ...] | None:
    return None if job is None else (job.id, job.status, job.step, job.step_state, job.attempt, job.fence)


def _expected(row: Row) -> tuple[Any, ...] | None:
    return None if row.deleted else (row.id, row.status, row.step, row.state, row.attempt, row.fence)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_journal_does_what_the_reference_does(
    kind: StoreKind, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run(lambda: JournalMachine(kind, tmp_path, lambda: request.getfixturevalue("postgres")), kind.name)
