"""The verdict on a world that has come to rest: every rule of the protocol that can be seen from outside."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from actors.journal.envelopes import open_envelope
from actors.journal.retention import references
from actors.journal.rows import Budget
from actors.token_log.memory import Log
from actors.token_log.protocol import Logged
from deployments.history.sealed_log import output_of
from events.v1.events_pb2 import Envelope
from events.v1.tokens_pb2 import Chunk, Operation, Seal
from pipelines.jobs import Job, Status
from pipelines.payloads import Result
from pipelines.retry import MAX_FAILURES
from pipelines.steps import GENERATE, RAG_REQUIRED, SEALED
from pipelines.suspects import MAX_LONE_CRASHES
from tests.simulation.batch_checker import judge_batches
from tests.simulation.index_checker import judge_stores
from tests.simulation.record import Session
from tests.simulation.watcher import Violation
from tests.simulation.wishes import Nature
from tests.simulation.world import World

_BLAMELESS = ("transient", "worker_crashed", "worker_lost")  # errors that are not counted as failures
_TERMINAL = {
    "ResultStored": Status.COMPLETED,
    "BatchValidated": Status.COMPLETED,
    "BatchFinalized": Status.COMPLETED,
    "FileIndexed": Status.COMPLETED,
    "JobIncomplete": Status.INCOMPLETE,
    "JobFailed": Status.FAILED,
    "JobDeadLettered": Status.FAILED,
    "JobCancelled": Status.CANCELLED,
}


def judge(world: World) -> list[Violation]:
    """All violations of a seed, those seen on the way first."""
    found = [each for watcher in world.journal_watchers for each in watcher.violations]
    found.extend(world.log_watcher.violations)
    found.extend(_promises(world))
    found.extend(_budget(world))
    found.extend(_repeats(world))
    found.extend(_blame(world))
    found.extend(_references(world))
    for job in world.journal_disk.jobs.values():
        found.extend(_job(world, job))
    found.extend(judge_batches(world))
    found.extend(judge_stores(world))
    for session in world.record.sessions:
        found.extend(_session(world, session))
    return found


def _promises(world: World) -> Iterator[Violation]:
    """What clients were told."""
    jobs = world.journal_disk.jobs
    for job_id in world.record.accepted:
        if job_id not in jobs:
            yield Violation("lost", f"{job_id} was accepted and does not exist")
    for job_id in world.record.cancelled:
        if job_id in jobs and jobs[job_id].status is not Status.CANCELLED:
            yield Violation("flipped", f"{job_id} was cancelled and is {jobs[job_id].status}")
    for job_id, status in world.record.seen:
        if job_id in jobs and jobs[job_id].status != status:
            yield Violation("flipped", f"{job_id} was {status} and is {jobs[job_id].status}")
    if world.record.busy:
        yield Violation("stuck", f"{world.record.busy} clients wait for ever")
    for error in world.record.broken:
        yield Violation("broken", f"a client died of {error}")


def _budget(world: World) -> Iterator[Violation]:
    """What each tenant has reserved and spent; jobs that are not over are another violation."""
    for tenant, disk in zip(world.tenants, world.journal_disks, strict=True):
        jobs = disk.jobs.values()
        used = sum(job.usage.output_tokens for job in jobs if job.usage)
        budget = disk.budgets.get(tenant, Budget(tenant))
        if all(job.status.terminal for job in jobs) and budget != Budget(tenant, 0, used):
            yield Violation("budget", f"{used} tokens were used, and there are {budget}")
        if stray := [job.id for job in jobs if job.tenant != tenant]:
            yield Violation("shard", f"{stray} are in the shard of {tenant}")


def _repeats(world: World) -> Iterator[Violation]:
    """What is asked for twice is done once."""
    letters, keyed = world.journal_disk.letters, world.keyed()
    for key, job_id in world.record.keyed:
        keyed[key].add(job_id)
    redriven: defaultdict[str, set[str]] = defaultdict(set)
    for job_id, again in world.record.redriven:
        redriven[job_id] |= {again, *([letters[job_id].redriven_as] if job_id in letters else [])}
    for job in world.journal_disk.jobs.values():
        if job.redrive_of:
            redriven[job.redrive_of].add(job.id)
    for name, job_ids in [*keyed.items(), *redriven.items()]:
        if len(job_ids) > 1:
            yield Violation("duplicated", f"{name} stands for {sorted(job_ids)}")
    for job_id in world.record.refused:
        if job_id in letters:
            yield Violation("lost", f"{job_id} is a dead letter, and its redrive was refused")


def _blame(world: World) -> Iterator[Violation]:
    """Exactly those jobs that kill their workers are given up for it."""
    for job_id, nature in world.record.natures.items():
        job = world.journal_disk.jobs.get(job_id)
        if job is None or not job.status.terminal or nature is Nature.ANY:
            continue
        given_up = job.fault is not None and job.fault.code == "worker_crashed"
        guilty = nature is Nature.POISON
        if given_up is not guilty or (job.result is None) is not guilty:
            yield Violation("blame", f"{job_id} is {nature}, and {job.status} for {job.fault}")


def _references(world: World) -> Iterator[Violation]:
    """Each payload is counted once for all that refers to it, and is there while anything does."""
    disk = world.journal_disk
    events = [(row.tenant, row.data) for row in disk.events]
    wanted = {(tenant, each.hash): n for (tenant, each), n in references(list(disk.jobs.values()), events).items()}
    if wanted != disk.refs:
        changed = {name for name in wanted.keys() | disk.refs if wanted.get(name, 0) != disk.refs.get(name, 0)}
        told = [(name[1], wanted.get(name, 0), disk.refs.get(name, 0)) for name in sorted(changed)]
        yield Violation("references", f"(payload, references, counted): {told}")


def _search(job: Job, types: list[str]) -> Iterator[Violation]:
    """Passages are found and ranked once, kept while there is a result, and given back where there will be none."""
    counts = Counter(types)
    if max(counts["ContextRetrieved"], counts["ContextReranked"] + counts["RerankingSkipped"]) > 1:
        yield Violation("duplicated", f"{job.id}: {types}")
    if job.result is not None and job.context is None:
        yield Violation("saga", f"{job.id} is {job.status} without its passages: {types}")
    if job.result is None and counts["ContextReleased"] != counts["ContextRetrieved"]:
        yield Violation("saga", f"{job.id} is {job.status} and its passages were not given back: {types}")
    if job.pipeline == RAG_REQUIRED and counts["RerankingSkipped"]:
        yield Violation("saga", f"{job.id} went on without its reranking: {types}")


def _job(world: World, job: Job) -> Iterator[Violation]:
    opened = [open_envelope(row.data) for row in world.journal_disk.events if row.job_id == job.id]
    yield from _attempts(job, opened)
    if not job.status.terminal:
        yield Violation("stuck", f"{job.id} is {job.status} at {job.step}, {job.step_state}")
        return
    types = [envelope.type for envelope, _ in opened]
    yield from _events(job, types)
    if job.pipeline not in SEALED:
        return
    if job.pipeline != GENERATE:
        yield from _search(job, types)
    log = world.log(job.id)
    if log.head.seal is None or job.id in world.journal_disk.seals:
        yield Violation("unsealed", f"{job.id} is {job.status}")
    else:
        yield from _log(world, job, log)


def _events(job: Job, types: list[str]) -> Iterator[Violation]:
    terminal = [name for name in types if name in _TERMINAL]
    counts = Counter(types)
    if len(terminal) > 1 or max(counts["JobSubmitted"], counts["PromptRendered"], counts["InferenceCompleted"]) > 1:
        yield Violation("duplicated", f"{job.id}: {types}")
    elif not terminal:
        yield Violation("lost", f"{job.id} is {job.status} and no event says so")
    elif types[-1] != terminal[0] or types[0] != "JobSubmitted" or _TERMINAL[terminal[0]] is not job.status:
        yield Violation("order", f"{job.id} is {job.status}: {types}")


def _attempts(job: Job, opened: list[tuple[Envelope, Any]]) -> Iterator[Violation]:
    for step in {envelope.step for envelope, _ in opened}:
        errors = [
            fact.error.code for envelope, fact in opened if envelope.type == "JobRetried" and envelope.step == step
        ]
        failures = sum(code not in _BLAMELESS for code in errors)
        claimed = job.attempt if job.step == step else 0
        if failures >= MAX_FAILURES or job.lone_crashes > MAX_LONE_CRASHES or claimed > len(errors) + 1:
            yield Violation("attempts", f"{job.id}: attempt {job.attempt} after {errors}")


def _log(world: World, job: Job, log: Log) -> Iterator[Violation]:
    seal = Seal.FromString(log.head.seal or b"")
    if seal.terminal.status != job.status:
        yield Violation("flipped", f"{job.id} is {job.status} and its log ends {seal.terminal.status}")
    operations = _operations(log)
    expected = 2
    for operation in operations:
        if operation.sequence != expected:
            yield Violation("sequence", f"{job.id}: {operation.sequence} where {expected} is next")
        expected = operation.sequence + operation.count
    if seal.terminal.sequence != expected:
        yield Violation("sequence", f"{job.id}: the terminal is {seal.terminal.sequence}, not {expected}")
    if job.result is not None:
        result = Result.model_validate_json(world.journal_disk.blobs[job.tenant, job.result.hash])
        if result.output != output_of(Logged([row.chunk for row in log.rows], log.head.seal)):
            yield Violation("content", f"{job.id}: result and log differ")
        tokens = sum(len(Chunk.FromString(row.chunk).token_ids) for row in log.rows)
        if result.usage.output_tokens != tokens:
            yield Violation("content", f"{job.id}: {result.usage.output_tokens} tokens, and {tokens} in the log")


def _operations(log: Log) -> list[Operation]:
    seal = Seal.FromString(log.head.seal or b"")
    operations = [operation for row in log.rows for operation in Chunk.FromString(row.chunk).operations]
    return [*(operation for operation in operations if operation.sequence <= seal.end), *seal.closing]


def _session(world: World, session: Session) -> Iterator[Violation]:
    """What a reader was shown is the beginning of what there is, and all of it where it saw the end."""
    log = world.log(session.job_id)
    if log.head.seal is None:
        return
    ended = any(frame["type"] == "end" for frame in session.frames)
    tokens = [(f["sequence_number"], f["text"]) for f in session.frames if f["type"] == "token"]
    there = [(o.sequence, o.delta.text) for o in _operations(log) if o.WhichOneof("kind") == "delta"]
    there = [token for token in there if token[0] > session.after]
    if tokens != (there if ended else there[: len(tokens)]):
        yield Violation("shown", f"{session.job_id}: a reader after {session.after} was shown {tokens} of {there}")
    events = [frame["event"]["id"] for frame in session.frames if frame["type"] == "event"]
    logged = [open_envelope(row.data)[0].id for row in world.journal_disk.events if row.job_id == session.job_id]
    if events != (logged if ended else logged[: len(events)]):
        yield Violation("shown", f"{session.job_id}: a reader was shown {len(events)} events, there are {len(logged)}")
    if ended:
        end = session.frames[-1]
        terminal = Seal.FromString(log.head.seal).terminal
        if (end["type"], end.get("sequence_number"), end.get("status")) != ("end", terminal.sequence, terminal.status):
            yield Violation("shown", f"{session.job_id} ended {end}, its seal says {terminal.status}")
