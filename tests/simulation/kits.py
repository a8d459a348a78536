"""Kits whose journal decides by another ledger than the real one."""

from typing import Any

from actors.journal.attachments import Attachments
from actors.journal.batches import Batches
from actors.journal.ledger import Ledger
from tests.simulation.parts import Kit, WatchedJournal


class _BatchLedger(Ledger):
    """A ledger whose batches are others."""

    batches: type[Batches]

    def __init__(self, *place: Any, **parts: Any) -> None:
        super().__init__(*place, **parts)
        self._batches.__class__ = self.batches


class _StoreLedger(Ledger):
    """A ledger whose attachments are others."""

    attachments: type[Attachments]

    def __init__(self, *place: Any, **parts: Any) -> None:
        super().__init__(*place, **parts)
        self._vectors._attachments.__class__ = self.attachments


def with_ledger(ledger: type[Ledger]) -> Kit:
    """The journal's rules are this ledger's."""
    return Kit(journal=type("PlantedJournal", (WatchedJournal,), {"ledger": ledger}))


def with_batches(batches: type[Batches]) -> Kit:
    """The journal's rules for batches are these."""
    return with_ledger(type("PlantedLedger", (_BatchLedger,), {"batches": batches}))


def with_attachments(attachments: type[Attachments]) -> Kit:
    """The journal's rules for files of vector stores are these."""
    return with_ledger(type("PlantedLedger", (_StoreLedger,), {"attachments": attachments}))
