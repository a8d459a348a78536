"""Files and uploads in one batch. A row is there before its content, and goes with an errand to remove that.

So no content stays behind, whatever dies: who uploads reserves first and completes when all is stored; what is
not completed within a day lapses like a file that has expired.
"""

from actors.journal.errands import Errand, ErrandKind
from actors.journal.store import Transaction
from pipelines.commands import Answer, Verdict
from pipelines.edits import (
    CompleteFile,
    CompleteUpload,
    CreateUpload,
    DeleteFile,
    File,
    FileEdit,
    ReserveFile,
    Upload,
    UploadEdit,
    UploadStatus,
)

RESERVED_S = 86400.0
UPLOAD_S = 3600.0  # for all parts of an upload; a part is kept as long


def edit_file(transaction: Transaction, command: FileEdit, now: float) -> Answer:
    """Do what a client asks for."""
    row = transaction.files.load(command.file)
    if isinstance(command, ReserveFile):
        if row is None:
            names = (command.file, command.tenant, command.filename, command.purpose)
            transaction.files.put(File(*names, None, now, now + RESERVED_S, command.upload))
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


def edit_upload(transaction: Transaction, command: UploadEdit, now: float) -> Answer:
    """Do what a client asks for. An upload ends once; the answer says how, and of two files one is never there."""
    row = transaction.files.load_upload(command.upload)
    if isinstance(command, CreateUpload):
        if row is None:
            transaction.files.put_upload(_new(command, now))
        return Answer(Verdict.DONE)
    if row is None or row.tenant != command.tenant:
        return Answer(Verdict.UNKNOWN)
    status = status_of(row, now)
    if status is not UploadStatus.PENDING:
        return Answer(Verdict.DONE, detail=status)
    ended = row._replace(status=UploadStatus.CANCELLED)
    if isinstance(command, CompleteUpload):
        complete = CompleteFile(
            file=command.file, tenant=row.tenant, size=command.size, expires_after_s=row.expires_after_s
        )
        if edit_file(transaction, complete, now).verdict is Verdict.UNKNOWN:
            return Answer(Verdict.UNKNOWN)
        ended = row._replace(status=UploadStatus.COMPLETED, file=command.file)
    transaction.files.put_upload(ended)
    _remove(transaction, transaction.files.parts(row.id), now)
    return Answer(Verdict.DONE, detail=ended.status)


def status_of(row: Upload, now: float) -> UploadStatus:
    """How an upload stands now."""
    pending = row.status == UploadStatus.PENDING
    return UploadStatus.EXPIRED if pending and row.expires_at <= now else UploadStatus(row.status)


def _new(command: CreateUpload, now: float) -> Upload:
    names = (command.upload, command.tenant, command.filename, command.purpose)
    times = (command.expires_after_s, now, now + UPLOAD_S)
    return Upload(*names, command.size, *times, UploadStatus.PENDING, "")


def remove_lapsed_files(transaction: Transaction, now: float, limit: int) -> list[File]:
    """Remove files whose time is over, and uploads a day after theirs; the files."""
    transaction.files.remove_uploads(now - RESERVED_S)
    rows = transaction.files.lapsed(now, limit)
    if rows:
        _remove(transaction, rows, now)
    return rows


def _remove(transaction: Transaction, rows: list[File], now: float) -> None:
    transaction.files.remove([row.id for row in rows])
    transaction.put_errands([Errand(ErrandKind.REMOVE_OBJECT, row.tenant, row.id) for row in rows], now)
