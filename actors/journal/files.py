"""Files in one batch. A row is there before the first byte of a content, and the errand to remove it before the last.

So a content never stays behind, whatever dies: who uploads reserves first and completes when all is stored; what is
not completed within a day lapses like a file that has expired.
"""

from actors.journal.errands import Errand, ErrandKind
from actors.journal.store import Transaction
from pipelines.commands import Answer, Verdict
from pipelines.edits import CompleteFile, DeleteFile, File, FileEdit, ReserveFile

RESERVED_S = 86400.0


def edit_file(transaction: Transaction, command: FileEdit, now: float) -> Answer:
    """Do what a client asks for."""
    row = transaction.files.load(command.file)
    if isinstance(command, ReserveFile):
        if row is None:
            names = (command.file, command.tenant, command.filename, command.purpose)
            transaction.files.put(File(*names, None, now, now + RESERVED_S))
        return Answer(Verdict.DONE)
    if row is None or row.tenant != command.tenant:
        return Answer(Verdict.UNKNOWN)
    match command:
        case CompleteFile():
            if row.size is None:
                ends = None if command.expires_after_s is None else row.created_at + command.expires_after_s
                transaction.files.put(row._replace(size=command.size, expires_at=ends))
        case DeleteFile():
            _remove(transaction, [row], now)
    return Answer(Verdict.DONE)


def remove_lapsed_files(transaction: Transaction, now: float, limit: int) -> int:
    """Remove files whose time is over; how many."""
    rows = transaction.files.lapsed(now, limit)
    if rows:
        _remove(transaction, rows, now)
    return len(rows)


def _remove(transaction: Transaction, rows: list[File], now: float) -> None:
    transaction.files.remove([row.id for row in rows])
    transaction.put_errands([Errand(ErrandKind.REMOVE_OBJECT, row.tenant, row.id) for row in rows], now)
