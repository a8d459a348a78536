"""Looks at every commit of both disks and says which rule it breaks. Has its own idea of which claim is in force."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from actors.journal.ledger import Reply
from actors.journal.rows import EventRow
from actors.token_log.memory import Log
from events.v1.tokens_pb2 import Chunk, Operation, Seal
from pipelines.chores import Orphan, Tick
from pipelines.commands import Answer, Cancel, Claim, Command, Delete, Finish, Key, Submit, Verdict
from pipelines.edits import Edit
from pipelines.jobs import Job, StepState
from tests.simulation.disks import JournalDisk
from tests.simulation.trace import Trace

FORGOTTEN_S = 120.0  # a job in the foreground that is still open then, though its client left long before


class Violation(NamedTuple):
    """A rule that was broken: its name, and how."""

    kind: str
    detail: str


class JournalWatcher:
    """Watches the journal's commits."""

    def __init__(self, disk: JournalDisk, trace: Trace) -> None:
        self.violations: list[Violation] = []
        self.keyed: dict[str, set[str]] = {}  # by idempotency key: the jobs that it stands for
        self.on_orphan: Callable[[str], None] = lambda _: None
        self._disk = disk
        self._trace = trace
        self._rows: dict[str, Job] = {}
        self._events: dict[str, list[bytes]] = {}
        self._seen: list[EventRow] = []
        self._in_force: dict[str, tuple[int, str]] = {}  # fence and worker of the claim that may report
        self._taken: set[tuple[str, int]] = set()
        self._attached: dict[str, float] = {}  # since when jobs are there that are open, by job

    def commit(self, commands: Sequence[Command | Edit], replies: Sequence[Reply], time: float) -> None:
        """A batch is on disk."""
        for command, reply in zip(commands, replies, strict=True):
            self._follow(command, reply)
        self._compare_rows()
        self._compare_events(time)
        self._miss(time)

    def blame(self, kind: str, detail: str) -> None:
        """Note a violation."""
        self.violations.append(Violation(kind, detail))

    def _follow(self, command: Command | Edit, reply: Reply) -> None:
        match command, reply:
            case Claim(worker=worker), list():
                self._in_force.update({claimed.job_id: (claimed.fence, worker) for claimed in reply})
            case Finish(), Answer(verdict=Verdict.DONE):
                self._finish(command)
            case ((Cancel(job_id=job_id) | Delete(job_id=job_id)), Answer(verdict=Verdict.DONE)):
                self._in_force.pop(job_id, None)
            case Submit(key=Key(word=word)), Answer(verdict=Verdict.DONE):
                self.keyed.setdefault(word, set()).add(reply.job_id or command.job_id)
            case Orphan(worker=worker), _:
                self.on_orphan(worker)
                self._in_force = {key: claim for key, claim in self._in_force.items() if claim[1] != worker}
            case Tick(), _:
                self._in_force = {key: claim for key, claim in self._in_force.items() if not self._expired(key, claim)}

    def _expired(self, job_id: str, claim: tuple[int, str]) -> bool:
        """Whether the claim ended in this batch, and not by its outcome."""
        job = self._disk.jobs.get(job_id)
        return job is None or (job.step_state is not StepState.CLAIMED and job.settled != claim[0])

    def _finish(self, command: Finish) -> None:
        key = (command.job_id, command.fence)
        if key in self._taken:
            return
        fence, _ = self._in_force.pop(command.job_id, (0, ""))
        if fence != command.fence:
            self.blame("fence", f"{command.job_id}: an outcome under fence {command.fence} where {fence} is in force")
        self._taken.add(key)

    def _compare_rows(self) -> None:
        for job_id, before in self._rows.items():
            after = self._disk.jobs.get(job_id)
            if after is None:
                self._let_go(before)
            elif after is not before:
                self._compare(before, after)
        self._rows = dict(self._disk.jobs)

    def _let_go(self, before: Job) -> None:
        """A job that nobody keeps goes with its events; any other one stays."""
        if before.stored or not before.status.terminal:
            self.blame("lost", f"{before.id} was on disk and is gone")
        self._seen = [row for row in self._seen if row.job_id != before.id]

    def _compare(self, before: Job, after: Job) -> None:
        if before.status.terminal and after != before:
            self.blame("flipped", f"{before.id} was {before.status} and is {after.status}")
        if after.fence < before.fence or after.settled < before.settled:
            self.blame("fence", f"{before.id}: fence {before.fence} became {after.fence}")

    def _miss(self, time: float) -> None:
        """Nobody waits for so long for a job in the foreground."""
        jobs = self._disk.jobs.values()
        left = [job.id for job in jobs if job.attached_to and not job.status.terminal]
        self._attached = {job_id: self._attached.get(job_id, time) for job_id in left}
        for job_id in [job_id for job_id, since in self._attached.items() if time - since > FORGOTTEN_S]:
            self.blame("forgotten", f"{job_id} is open, and nobody waits for it")

    def _compare_events(self, time: float) -> None:
        events, seen = self._disk.events, self._seen
        if len(events) < len(seen) or (seen and events[len(seen) - 1].data is not seen[-1].data):
            self.blame("order", "an event was committed before one that is older")
        for row in events[len(seen) :]:
            self._trace.add(time, "event", row.data.hex())
        self._seen = events


class LogWatcher:
    """Watches the token log's commits."""

    def __init__(self, trace: Trace) -> None:
        self.violations: list[Violation] = []
        self._trace = trace
        self._contents: dict[tuple[str, int], bytes] = {}
        self._logs: dict[str, Log] = {}

    def commit(self, changed: dict[str, Log], time: float) -> None:
        """These logs are on disk."""
        for job_id, log in changed.items():
            before = self._logs.get(job_id, Log())
            self._logs[job_id] = log
            known = {id(row) for row in before.rows}
            for row in log.rows:
                if id(row) not in known:
                    self._trace.add(time, "chunk", job_id, row.sequence, row.chunk.hex())
                    self._note(job_id, Chunk.FromString(row.chunk).operations)
            if log.head.seal is not None and log.head.seal is not before.head.seal:
                self._trace.add(time, "seal", job_id, log.head.seal.hex())
                self._seal(job_id, before, Seal.FromString(log.head.seal))

    def _seal(self, job_id: str, before: Log, seal: Seal) -> None:
        if before.head.seal is not None:
            self.violations.append(Violation("flipped", f"{job_id} was sealed twice"))
        self._note(job_id, seal.closing)
        self._keep(job_id, seal.terminal.sequence, seal.terminal.SerializeToString(deterministic=True))

    def _note(self, job_id: str, operations: Sequence[Operation]) -> None:
        for operation in operations:
            self._keep(job_id, operation.sequence, operation.SerializeToString(deterministic=True))

    def _keep(self, job_id: str, sequence: int, content: bytes) -> None:
        if self._contents.setdefault((job_id, sequence), content) != content:
            self.violations.append(Violation("sequence", f"{job_id}: {sequence} was used with two contents"))
