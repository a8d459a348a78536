"""What became of the jobs of a cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.fault.matrix.cells import Cell, Group

TERMINAL_EVENTS = {"ResultStored", "JobIncomplete", "JobFailed", "JobCancelled", "JobDeadLettered"}
# Decisions, so taken once at the most.
ONCE = ("JobSubmitted", "ContextRetrieved", "ContextReranked", "PromptRendered", "InferenceCompleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One job as the API tells it. Events come with their type and Unix time."""

    status: str | None  # None: there is no such job
    events: Sequence[tuple[str, float]]
    dead: Mapping[str, str] = field(default_factory=dict)  # workers that it names as gone, and the code of the fault
    text: str
    shown: str | None = ""  # to its reader; None: a torn stream, "": nobody read


@dataclass(slots=True)
class Finding:
    """The figures of one cell. Recovery is from the death to a job's next event, in seconds.

    Where one worker of two dies it is that of the jobs which it held: those of the other one need none.
    """

    cell: Cell
    jobs: int = 0
    lost: int = 0
    duplicated: int = 0
    stuck: int = 0
    torn: int = 0  # streams that were not the result
    recovery_s: list[float] = field(default_factory=list)
    next_event_s: float = 0.0  # until the last of all that were claimed had one
    blamed: int = 0  # jobs to which the death of a whole node was put down

    @property
    def recovery_max_s(self) -> float:
        """Until the last of the jobs that were claimed at the death went on."""
        return max(self.recovery_s, default=0.0)

    @property
    def recovery_p50_s(self) -> float:
        """Until half of them did."""
        return median(self.recovery_s) if self.recovery_s else 0.0

    @property
    def clean(self) -> bool:
        """Whether every job was decided, once."""
        return not (self.lost or self.duplicated or self.stuck or self.torn or self.blamed)


def judge(
    cell: Cell, stories: Mapping[str, Story], *, claimed: Mapping[str, str], died_at: float, extra: int
) -> Finding:
    """`extra` is how many jobs came into being that nobody asked for."""
    finding = Finding(cell, jobs=len(stories), duplicated=extra)
    dead = {worker for story in stories.values() for worker in story.dead}
    held = {job_id for job_id, worker in claimed.items() if worker in dead}
    for job_id, story in stories.items():
        names = [name for name, _ in story.events]
        ends = [name for name in names if name in TERMINAL_EVENTS]
        finding.stuck += story.status in ("queued", "in_progress")
        finding.lost += story.status is None or (not ends and story.status not in ("queued", "in_progress"))
        finding.lost += story.status in ("failed", "cancelled")  # each of them could complete
        finding.duplicated += len(ends) > 1 or any(names.count(name) > 1 for name in ONCE)
        finding.torn += story.shown is None or story.shown not in ("", story.text)
        finding.blamed += "worker_crashed" in story.dead.values() and cell.group is Group.NODE
        later = [time - died_at for _, time in story.events if time > died_at]
        if job_id in claimed and later:
            finding.next_event_s = max(finding.next_event_s, min(later))
            if job_id in held or not held or cell.group is not Group.WORKER:
                finding.recovery_s.append(min(later))
    return finding


def summary(findings: Sequence[Finding]) -> dict[str, Any]:
    """The last line."""

    def slowest(group: str) -> float:
        return round(max((f.recovery_max_s for f in findings if f.cell.group == group), default=0.0), 2)

    return {
        "cells": len(findings),
        "lost": sum(finding.lost for finding in findings),
        "duplicated": sum(finding.duplicated for finding in findings),
        "stuck": sum(finding.stuck for finding in findings),
        "torn": sum(finding.torn for finding in findings),
        "blamed": sum(finding.blamed for finding in findings),
        "recovery_max_s": slowest("worker"),
        "recovery_actor_max_s": slowest("actor"),
        "recovery_node_max_s": slowest("node"),
    }


def table(findings: Sequence[Finding]) -> str:
    """As docs/faults.md has it."""
    head = "| cell | jobs | lost | decided twice | stuck | torn streams | recovery p50 | max | all claimed |\n"
    return f"{head}|---|--|--|--|--|--|--|--|--|\n" + "\n".join(
        f"| {f.cell.name} | {f.jobs} | {f.lost} | {f.duplicated} | {f.stuck} | {f.torn} "
        f"| {f.recovery_p50_s:.2f} s | {f.recovery_max_s:.2f} s | {f.next_event_s:.2f} s |"
        for f in findings
    )
