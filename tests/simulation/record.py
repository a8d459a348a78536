"""What the clients of a simulated world were told."""

from dataclasses import dataclass, field
from typing import Any

from tests.simulation.batch_wishes import BatchWish
from tests.simulation.index_wishes import FileWish
from tests.simulation.wishes import Nature


@dataclass(slots=True)
class Session:
    """One reader: where it began, and what it was shown."""

    job_id: str
    after: int
    frames: list[dict[str, Any]] = field(default_factory=list)

    def last(self) -> int:
        """The number from which a next session goes on."""
        return max([self.after, *(int(f["sequence_number"]) for f in self.frames if f["type"] == "token")])


@dataclass(slots=True)
class BatchStory:
    """What a client was told of its batch."""

    id: str
    seen: list[dict[str, Any]] = field(default_factory=list)
    early: list[tuple[str, bytes]] = field(default_factory=list)  # files, as they were while it ran
    files: dict[str, bytes] = field(default_factory=dict)  # as they were afterwards
    cancelled: bool = False  # a cancel was answered before its end

    def named(self) -> list[str]:
        """The files that it was last said to have."""
        last = self.seen[-1]
        return [name for name in (last["output_file_id"], last["error_file_id"]) if name]


@dataclass(slots=True)
class StoreStory:
    """A vector store that a client has made, and whether it was deleted."""

    id: str
    deleted: bool = False


@dataclass(slots=True)
class Record:
    """All that clients were told."""

    accepted: list[str] = field(default_factory=list)
    natures: dict[str, Nature] = field(default_factory=dict)  # by job
    keyed: list[tuple[str, str]] = field(default_factory=list)  # key, job
    redriven: list[tuple[str, str]] = field(default_factory=list)  # dead letter, the job that does it again
    refused: list[str] = field(default_factory=list)  # jobs that were said to be no dead letters
    cancelled: list[str] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)  # job, terminal status
    sessions: list[Session] = field(default_factory=list)
    inputs: dict[str, BatchWish] = field(default_factory=dict)  # by the file that a batch is to do
    batches: list[BatchStory] = field(default_factory=list)
    uploads: dict[str, FileWish] = field(default_factory=dict)  # by the file that is to be indexed
    deleted: list[str] = field(default_factory=list)  # such files
    stores: list[StoreStory] = field(default_factory=list)
    busy: int = 0  # clients that are not done
    broken: list[str] = field(default_factory=list)  # the errors of which clients have died
