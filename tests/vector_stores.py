"""Files, vector stores and the jobs between them in a journal, for tests."""

import itertools
from typing import Any

from actors.journal.journal import Journal
from actors.journal.vector_queries import AttachmentQuery, StoreQuery
from pipelines.commands import Answer, Failed, Indexed, Outcome, Remedy
from pipelines.edits import CompleteFile, ReserveFile
from pipelines.jobs import ClaimedJob, Fault
from pipelines.steps import INDEXING_TOPIC
from pipelines.vector_edits import AttachFiles, Attachment, CreateVectorStore, FileToAttach, VectorStore
from tests.factories import claim, finish, job_id

STORE: dict[str, Any] = {"store": "vs_1", "tenant": "default"}
INDEXED = Indexed(chunks=3, usage_bytes=700, tokens=50)
REJECTED = Failed(fault=Fault("unsupported_file", "No text in it."), remedy=Remedy.REJECT)
_claims = itertools.count()


async def put_files(journal: Journal, *numbers: int, tenant: str = "default", **complete: Any) -> None:
    """Files file-1, file-2, ..."""
    for number in numbers:
        reserve = ReserveFile(file=f"file-{number}", tenant=tenant, filename=f"{number}.txt", purpose="assistants")
        done = CompleteFile(file=f"file-{number}", tenant=tenant, size=10, **complete)
        await journal.edit([reserve, done])


def to_attach(number: int, *, attempt: int = 0, tokens: int = 800, attributes: str = "{}") -> FileToAttach:
    """One of those files; another attempt has other ids."""
    own = number + 100 * attempt
    return FileToAttach(f"vsf_{own:04d}", job_id(own), f"file-{number}", attributes, tokens, tokens // 2)


def attach(*files: FileToAttach | int, **changes: Any) -> AttachFiles:
    """These files to the store vs_1."""
    entries = tuple(to_attach(each) if isinstance(each, int) else each for each in files)
    return AttachFiles(**{**STORE, "model": "encoder", "files": entries, **changes})


async def make_store(journal: Journal, *files: int, **changes: Any) -> None:
    """The store vs_1 with these files."""
    await put_files(journal, *files)
    await journal.edit([CreateVectorStore(**{**STORE, "name": "Notes", **changes})])
    if files:
        await journal.edit([attach(*files)])


async def claim_files(journal: Journal) -> dict[str, ClaimedJob]:
    """The jobs that wait for an indexer, by id."""
    claims = await journal.claim(claim(INDEXING_TOPIC, claim_id=f"c{next(_claims)}"))
    return {claimed.job_id: claimed for claimed in claims}


async def index(journal: Journal, outcome: Outcome = INDEXED) -> list[Answer]:
    """Let all that wait for an indexer have this outcome."""
    return await journal.finish([finish(claimed, outcome) for claimed in (await claim_files(journal)).values()])


async def store_of(journal: Journal, store: str = "vs_1") -> VectorStore:
    row = await journal.ask(StoreQuery("default", store))
    assert row is not None
    return row


async def file_of(journal: Journal, number: int, store: str = "vs_1") -> Attachment:
    answer = await journal.ask(AttachmentQuery("default", store, f"file-{number}"))
    assert answer is not None
    assert answer.found is not None
    return answer.found
