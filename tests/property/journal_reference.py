"""What the journal should say: the same rules as the product's, on plain rows in a dictionary."""

from collections import Counter
from dataclasses import dataclass, field
from math import inf

from pipelines.chores import Orphan
from pipelines.commands import Cancel, Claim, Failed, Finish, Generated, Remedy, Rendered, Submit, Verdict
from tests.factories import INFERENCE, PROMPTING

MAX_FAILURES = 5
MAX_LONE_CRASHES = 3
MAX_FREE_RELEASES = 10
BUDGET = 120  # output tokens of the only tenant
CHANCE = 0.5  # what the generator under test always gives

Claimed = tuple[str, str, int, int]  # job, step, attempt, fence


@dataclass
class Row:
    """One job."""

    id: str
    priority: int
    ready_at: float
    deadline_at: float
    status: str = "queued"
    step: str = "render"
    state: str = "ready"
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    lone_crashes: int = 0
    suspects: str = ""
    releases: int = 0
    fence: int = 0
    settled: int = 0
    worker: str = ""
    claim_id: str = ""
    step_deadline_at: float = inf
    sealed: bool = False
    session: str = ""
    deleted: bool = False
    reserved: int = 0
    used: int = 0
    ended_at: float | None = None
    events: list[str] = field(default_factory=lambda: ["JobSubmitted"])

    @property
    def topic(self) -> str:
        return PROMPTING if self.step == "render" else INFERENCE

    @property
    def terminal(self) -> bool:
        return self.state == "done"

    def claimed(self) -> Claimed:
        return (self.id, self.step, self.attempt, self.fence)

    def end(self, status: str, *events: str) -> None:
        self.status, self.state = status, "done"
        self.events += events

    def fail(self, now: float, least: float | None = None) -> None:
        self.failures += 1
        if self.failures >= MAX_FAILURES:
            self.end("failed", "JobDeadLettered")
        else:
            self.retry(now, least)

    def retry(self, now: float, least: float | None) -> None:
        self.events.append("JobRetried")
        self.offer(now, max(least or 0.0, backoff(self.attempt)))

    def offer(self, now: float, delay: float) -> None:
        self.state, self.ready_at = ("waiting" if delay else "ready"), now + delay


def backoff(attempt: int) -> float:
    return min(30.0, 0.5 * 2.0 ** (attempt - 1)) * (0.5 + CHANCE / 2)


class Reference:
    """Answers each command as the journal should."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.forgotten = 0  # tokens that were used by jobs that went

    def submit(self, command: Submit, now: float) -> tuple[Verdict, str | None]:
        if command.job_id not in self.rows:
            if sum(self.budget()) + command.max_output_tokens > BUDGET:
                return Verdict.OVER_BUDGET, None
            row = Row(command.job_id, command.priority, now, now + command.deadline_s)
            row.reserved, row.session = command.max_output_tokens, command.attached_to
            if command.rendered is not None:
                row.step = "infer"
                row.events.append("PromptRendered")
            self.rows[row.id] = row
        return Verdict.DONE, self.rows[command.job_id].status

    def budget(self) -> tuple[int, int]:
        """Reserved by what is open, spent by what has ended, also where it went since."""
        rows = self.rows.values()
        return sum(row.reserved for row in rows if not row.terminal), self.forgotten + sum(row.used for row in rows)

    def claim(self, command: Claim, now: float) -> list[Claimed]:
        held = self.held(command.worker)
        mine = [row.claimed() for row in held if row.claim_id == command.claim_id]
        if mine:
            return mine
        offered = self._offer(command, held)[: command.slots]
        for row in offered:
            row.state, row.worker, row.claim_id = "claimed", command.worker, command.claim_id
            row.attempt, row.fence = row.attempt + 1, row.fence + 1
            row.step_deadline_at = now + (command.limit_s or inf)
            if row.step == "infer":
                row.status = "in_progress"
                row.events.append("InferenceStarted")
        return [row.claimed() for row in offered]

    def _offer(self, command: Claim, held: list[Row]) -> list[Row]:
        """Suspects go to a worker that holds nothing, one group at a time, and their worker gets nothing else."""
        of_topic = [row for row in self.rows.values() if row.topic == command.topic]
        if any(row.suspects for row in held):
            return []
        suspects = [row for row in of_topic if row.suspects and row.state == "ready"]
        on_trial = any(row.suspects and row.state == "claimed" for row in of_topic)
        if suspects and not on_trial:
            first = min(row.suspects for row in suspects)
            group = sorted((row for row in suspects if row.suspects == first), key=lambda row: row.id)
            return [] if held else group
        ready = [row for row in of_topic if row.state == "ready" and not row.suspects]
        return sorted(ready, key=lambda row: (-row.priority, row.ready_at, row.id))

    def finish(self, command: Finish, now: float) -> tuple[Verdict, str | None]:
        row = self.rows.get(command.job_id)
        if row is None:
            return Verdict.UNKNOWN, None
        if row.settled == command.fence:
            return Verdict.DONE, row.status
        if (row.state, row.fence) != ("claimed", command.fence):
            return Verdict.STALE, row.status
        row.settled = command.fence
        self._settle(row, command, now)
        return Verdict.DONE, row.status

    def cancel(self, command: Cancel) -> tuple[Verdict, str | None]:
        row = self.rows.get(command.job_id)
        if row is None or row.deleted or command.tenant != "default":
            return Verdict.UNKNOWN, None
        if row.terminal:
            return Verdict.TERMINAL, row.status
        row.end("cancelled", "JobCancelled")
        return Verdict.DONE, row.status

    def delete(self, job: str) -> tuple[Verdict, str | None]:
        row = self.rows.get(job)
        if row is None:
            return Verdict.UNKNOWN, None
        if not row.terminal:
            row.end("cancelled", "JobCancelled")
        row.deleted = True
        return Verdict.DONE, row.status

    def abandon(self, session: str, limit: int) -> int:
        left = sorted(row.id for row in self.rows.values() if row.session == session and not row.terminal)[:limit]
        for job in left:
            self.rows[job].end("cancelled", "JobCancelled")
        return len(left)

    def orphan(self, command: Orphan, now: float) -> None:
        orphaned(self.held(command.worker), now, crashed=command.crashed)

    def tick(self, now: float) -> None:
        for row in self.rows.values():
            if not row.terminal and row.deadline_at <= now:
                row.end("failed", "JobFailed")
            if row.state == "claimed" and row.step_deadline_at <= now:
                row.fail(now)
            if row.state == "waiting" and row.ready_at <= now:
                row.offer(now, 0)

    def stamp(self, now: float) -> None:
        """What has ended since the last time did so now."""
        for row in self.rows.values():
            if row.terminal and row.ended_at is None:
                row.ended_at = now

    def prune(self, until: float, limit: int) -> bool:
        """The deleted and then the oldest go, with all that is theirs; the rest is as it was."""
        sealed = [row for row in self.rows.values() if row.sealed]
        ended = ((not row.deleted, row.ended_at, row.id) for row in sealed if row.ended_at is not None)
        old = sorted(name for name in ended if not name[0] or name[1] <= until)[:limit]
        for _, _, job in old:
            self.forgotten += self.rows.pop(job).used
        return len(old) == limit

    def held(self, worker: str) -> list[Row]:
        return [row for row in self.rows.values() if row.state == "claimed" and row.worker == worker]

    def count(self, state: str) -> Counter[str]:
        return Counter(row.topic for row in self.rows.values() if row.state == state)

    def unsealed(self) -> list[str]:
        return sorted(row.id for row in self.rows.values() if row.terminal and not row.sealed)

    def _settle(self, row: Row, command: Finish, now: float) -> None:
        match command.outcome:
            case Rendered():
                row.events.append("PromptRendered")
                row.step, row.attempt, row.releases = "infer", 0, 0
                row.failures, row.crashes, row.lone_crashes, row.suspects = 0, 0, 0, ""
                row.offer(now, 0)
            case Generated(status=status, usage=usage):
                row.used = usage.output_tokens
                last = "ResultStored" if status == "completed" else "JobIncomplete"
                row.end(status, "InferenceCompleted", last)
            case Failed(remedy=Remedy.REJECT):
                row.end("failed", "JobFailed")
            case Failed(remedy=Remedy.RETRY, retry_after_s=least):
                row.fail(now, least)
            case Failed(retry_after_s=least):
                row.retry(now, least)
            case _:
                row.releases, row.attempt = row.releases + 1, row.attempt - 1
                often = row.releases - MAX_FREE_RELEASES + 1
                row.offer(now, backoff(often) if often > 0 else 0)


def orphaned(rows: list[Row], now: float, *, crashed: bool) -> None:
    """The rule for jobs whose worker is gone."""
    if crashed:
        accuse(sorted(rows, key=lambda row: row.id))
    for row in rows:
        if row.lone_crashes >= MAX_LONE_CRASHES:
            row.end("failed", "JobDeadLettered")
        else:
            row.events.append("JobRetried")
            row.offer(now, 0)


def accuse(rows: list[Row]) -> None:
    """Who crashes alone is counted; who is there for the second time is tried with half of the others."""
    for row in rows:
        row.crashes += 1
    suspects = [row for row in rows if row.crashes >= 2 or len(rows) == 1]
    half = -(-len(suspects) // 2)
    for number, row in enumerate(suspects):
        row.suspects = suspects[0 if number < half else half].id
    if len(rows) == 1:
        rows[0].lone_crashes += 1
