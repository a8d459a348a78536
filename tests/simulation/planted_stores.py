"""Planted bugs of vector stores and their index: see `planted.py`."""

from collections.abc import Sequence

from actors.journal.attachments import Attachments
from pipelines.changes import Change
from pipelines.jobs import Status
from pipelines.vector_edits import AttachFiles, Attachment, Removal, VectorStore
from tests.simulation.kits import with_attachments
from tests.simulation.parts import Kit


class Littering(Attachments):
    """Forgets that what is detached is to leave the index."""

    def leave_index(self, removals: Sequence[Removal], since: float | None = None) -> None:
        del removals, since


class Impatient(Attachments):
    """Has chunks removed while the worker that held their file still comes to it."""

    def leave_index(self, removals: Sequence[Removal], since: float | None = None) -> None:
        del since
        super().leave_index(removals)


class Doubling(Attachments):
    """Leaves a file attached as it was where it is attached anew."""

    _attaches = False

    def attach(self, store: VectorStore, command: AttachFiles) -> None:
        self._attaches = True
        super().attach(store, command)
        self._attaches = False

    def detach(self, rows: Sequence[Attachment]) -> None:
        if not self._attaches:
            super().detach(rows)


class Deaf(Attachments):
    """Hears of no failure of a file."""

    def settle(self, change: Change) -> None:
        if change.job.status is not Status.FAILED:
            super().settle(change)


def bugs() -> dict[str, tuple[str, Kit]]:
    """By name: the violation, and the kit."""
    return {
        "chunks that nobody removes": ("index", with_attachments(Littering)),
        "chunks that are removed too early": ("index", with_attachments(Impatient)),
        "a file that is attached twice": ("duplicated", with_attachments(Doubling)),
        "a file that is indexed for ever": ("stuck", with_attachments(Deaf)),
    }
