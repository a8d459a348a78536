"""The verdict on the batches of a world that has come to rest: what their files say, line by line."""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import sub
from typing import Any

from events.ids import number_of
from pipelines.batch_edits import Batch, BatchStatus, error_id, output_id
from pipelines.jobs import Job
from pipelines.steps import LINES
from pipelines.transitions import DEADLINE_PASSED
from tests.simulation.batch_wishes import BatchWish
from tests.simulation.record import BatchStory
from tests.simulation.watcher import Violation
from tests.simulation.world import World

_UNRUN = ("batch_expired", "batch_cancelled")
_BLAMED = "worker_crashed"  # of a line that was given up for the deaths of its workers


def judge_batches(world: World) -> Iterator[Violation]:
    """All violations."""
    for row in world.journal_disk.batches.values():
        if row.ended and not row.open:
            yield from _batch(world, row, world.record.inputs[row.input_file])
        else:
            yield Violation("stuck", f"{row.id} is {row.status} with {row.completed} + {row.failed} of {row.total}")
    for story in world.record.batches:
        if (ended := world.journal_disk.batches.get(story.id)) is None:
            yield Violation("lost", f"{story.id} was accepted and does not exist")
        else:
            yield from _story(world, ended, story)
    yield from _repeated(world)


def _batch(world: World, row: Batch, wish: BatchWish) -> Iterator[Violation]:
    jobs, lines = _lines(world, row), wish.lines
    codes = [error["code"] for error in json.loads(row.errors or "[]")]
    early = row.status in (BatchStatus.CANCELLED, BatchStatus.EXPIRED)
    if (codes or (wish.flaw and not early)) and not {wish.flaw, _BLAMED} & set(codes):
        yield Violation("batch", f"{row.id} with the flaw '{wish.flaw}' is {row.status}: {codes}")
    names = [_custom_id(world, job) for job in jobs]
    numbers = [number_of(job.id) for job in jobs]
    expected = [] if wish.flaw else [line.custom_id for number, line in enumerate(lines, 1) if number in numbers]
    if names != expected:
        yield Violation("duplicated", f"{row.id} has jobs for {names}, and the lines {expected}")
    elif row.status != BatchStatus.FAILED and row.total >= 0:
        yield from _files(world, row, wish, jobs)
    elif {name for name, _ in _named(row)} & world.journal_disk.files.keys():
        yield Violation("batch", f"{row.id} is {row.status} and has files")


def _files(world: World, row: Batch, wish: BatchWish, jobs: Sequence[Job]) -> Iterator[Violation]:
    """Each line is told of once, as its job ended."""
    outputs, errors = (_content(world, name(row.id)) for name in (output_id, error_id))
    yield from _sizes(world, row)
    told = [line["custom_id"] for line in outputs], [line["custom_id"] for line in errors]
    done = {_custom_id(world, job) for job in jobs if job.result is not None}
    names = [line.custom_id for line in wish.lines]
    wanted = [name for name in names if name in done], [name for name in names if name not in done]
    if told != wanted:
        yield Violation("lines", f"{row.id} is {row.status}, its files tell of {told}, and not of {wanted}")
    counts = (row.total, row.completed, row.failed)
    if counts != (len(names), len(outputs), len(errors)):
        yield Violation("counts", f"{row.id} is {row.status}, counts {counts}, files {len(outputs)}, {len(errors)}")
    used = sum(job.usage.output_tokens for job in jobs if job.usage)
    if row.output_tokens != used:
        yield Violation("counts", f"{row.id} counts {row.output_tokens} tokens of {used}")
    by_name = {_custom_id(world, job): job for job in jobs}
    failing = {line.custom_id for line in wish.lines if line.fails}
    if failing & set(told[0]):
        yield Violation("lines", f"{row.id}: {sorted(failing & set(told[0]))} cannot have a result")
    for line in errors:
        yield from _error(row, line, by_name.get(line["custom_id"]))
        if line["custom_id"] not in failing and line["error"]["code"] not in (*_UNRUN, _BLAMED):
            yield Violation("lines", f"{row.id}: {line['custom_id']} has failed with {line['error']}")


def _error(row: Batch, line: dict[str, Any], job: Job | None) -> Iterator[Violation]:
    """Whoever did not run is told why, and nobody else."""
    late = row.fate == BatchStatus.EXPIRED or (job is not None and job.fault == DEADLINE_PASSED)
    wanted = "batch_expired" if late else "batch_cancelled"
    if job is not None and job.fault not in (None, DEADLINE_PASSED):
        wanted = job.fault.code
    if line["error"]["code"] != wanted or (wanted == "batch_cancelled" and not row.fate):
        yield Violation("lines", f"{row.id} is {row.status}, of {line['custom_id']} says {line['error']}, not {wanted}")


def _sizes(world: World, row: Batch) -> Iterator[Violation]:
    for name, size in _named(row):
        file = world.journal_disk.files.get(name)
        there = len(world.contents.get(name, b"")) if file and file.size is not None else 0
        if (file.size if file else 0) != size or there != size:
            yield Violation("batch", f"{row.id}: {name} has {there} bytes, its row says {file}, the batch {size}")


def _story(world: World, row: Batch, story: BatchStory) -> Iterator[Violation]:
    """What its client was told stays true."""
    counts = [tuple(view["request_counts"][name] for name in ("total", "completed", "failed")) for view in story.seen]
    if any(min(map(sub, later, earlier)) < 0 for earlier, later in pairwise(counts)):
        yield Violation("counts", f"{row.id} was said to have {counts}")
    for status in [view["status"] for view in story.seen if BatchStatus(view["status"]).terminal]:
        if status != row.status:
            yield Violation("flipped", f"{row.id} was {status} and is {row.status}")
    if story.cancelled and row.status == BatchStatus.COMPLETED:
        yield Violation("flipped", f"{row.id} was cancelled and is {row.status}")
    sizes = {name: size for name, size in _named(row) if size}
    if {name: len(content) for name, content in story.files.items()} != sizes:
        yield Violation("shown", f"{row.id}: of {sizes} a client was shown {[*story.files]}")
    for name, content in [*story.early, *story.files.items()]:
        final = world.contents.get(name, b"").splitlines()
        if not set(content.splitlines()) <= set(final):
            yield Violation("shown", f"{row.id}: {name} said {set(content.splitlines()) - set(final)}")


def _named(row: Batch) -> list[tuple[str, int]]:
    return [(output_id(row.id), row.output_bytes), (error_id(row.id), row.error_bytes)]


def _repeated(world: World) -> Iterator[Violation]:
    """What has a result is generated no more: not by a later claim, and not by another job of the batch."""
    jobs = world.journal_disk.jobs
    for text, begun in world.begun.items():
        lines = [(jobs[job_id], fence) for job_id, fence in begun if job_id in jobs and jobs[job_id].pipeline in LINES]
        lines = [(job, fence) for job, fence in lines if not job.redrive_of]
        for job, fence in lines:
            if job.result is not None and fence > job.settled:
                yield Violation("repeated", f"{job.id} had a result and was generated again under {fence}")
        if len({job.id for job, _ in lines}) > len({job.part_of for job, _ in lines}):
            yield Violation("repeated", f"'{text[:50]}' was generated by {sorted({job.id for job, _ in lines})}")


def _lines(world: World, row: Batch) -> list[Job]:
    jobs = [job for job in world.journal_disk.jobs.values() if job.part_of == row.id and job.pipeline in LINES]
    return sorted((job for job in jobs if not job.redrive_of), key=lambda job: job.id)


def _custom_id(world: World, job: Job) -> str:
    data = world.journal_disk.blobs[job.tenant, job.request.hash]  # empty where it is too large for the table
    data = data or next(content for path, content in world.files.items() if path.name == job.request.hash)
    custom_id: str = json.loads(data)["custom_id"]
    return custom_id


def _content(world: World, name: str) -> list[dict[str, Any]]:
    file = world.journal_disk.files.get(name)
    if file is None or file.size is None:
        return []
    return [json.loads(line) for line in world.contents[name].splitlines()]
