"""Kits whose journal decides by another ledger than the real one."""

from collections.abc import Sequence
from typing import Any

from actors.journal.attachments import Attachments
from actors.journal.batches import Batches
from actors.journal.effects import Effects
from actors.journal.ledger import Ledger, Reply
from pipelines.commands import Command
from pipelines.edits import Edit
from tests.simulation.parts import Kit, WatchedJournal


class _LedgerJournal(WatchedJournal):
    """A journal with a ledger of its own."""

    ledger: type[Ledger]

    def _decide(
        self, commands: Sequence[Command | Edit], testers: dict[str, str], room: int
    ) -> tuple[list[Reply], Effects]:
        with self._store.transaction() as transaction:
            ports = self._ports
            ledger = self.ledger(
                transaction,
                now=ports.clock.now(),
                random=ports.random,
                new_id=lambda prefix: ports.ids.new(prefix, self.shard),
                testers=testers,
                room=room,
                token_budgets=self._limits.token_budgets,
            )
            return ledger.apply(commands), ledger.effects


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
    return Kit(journal=type("PlantedJournal", (_LedgerJournal,), {"ledger": ledger}))


def with_batches(batches: type[Batches]) -> Kit:
    """The journal's rules for batches are these."""
    return with_ledger(type("PlantedLedger", (_BatchLedger,), {"batches": batches}))


def with_attachments(attachments: type[Attachments]) -> Kit:
    """The journal's rules for files of vector stores are these."""
    return with_ledger(type("PlantedLedger", (_StoreLedger,), {"attachments": attachments}))
