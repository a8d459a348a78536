"""Files in every journal on every store: what is there, what lapses, and what is to be removed of it."""

from dataclasses import replace

from actors.journal.errands import Errand, ErrandKind
from actors.journal.files import RESERVED_S, UPLOAD_S
from actors.journal.journal import Journal
from actors.journal.protocol import FileQuery
from pipelines.commands import Verdict
from pipelines.edits import (
    CancelUpload,
    CompleteFile,
    CompleteUpload,
    CreateUpload,
    DeleteFile,
    File,
    ReserveFile,
)
from tests.contract.journal_stores import with_shards
from tests.factories import ManualClock

pytestmark = with_shards

NAMES = {"file": "file-1", "tenant": "default"}
RESERVE = ReserveFile(**NAMES, filename="a.txt", purpose="user_data")
COMPLETE = CompleteFile(file="file-1", tenant="default", size=3)
DELETE = DeleteFile(**NAMES)
ALL = FileQuery("default")


async def errands(journal: Journal) -> list[Errand]:
    return [errand._replace(id=0) for errand in await journal.errands(10)]


async def put(journal: Journal, number: int, purpose: str = "user_data", *, tenant: str = "default") -> None:
    file = f"file-{number}"
    reserve = ReserveFile(file=file, tenant=tenant, filename="f", purpose=purpose)
    await journal.edit([reserve, CompleteFile(file=file, tenant=tenant, size=number)])


async def test_a_file_is_there_once_its_content_is_stored(journal: Journal, clock: ManualClock) -> None:
    await journal.edit([RESERVE])
    assert await journal.file("default", "file-1") is None
    assert await journal.files(ALL) == []
    answers = await journal.edit([COMPLETE, RESERVE, COMPLETE])
    assert [answer.verdict for answer in answers] == [Verdict.DONE] * 3
    there = File("file-1", "default", "a.txt", "user_data", 3, clock.time, None)
    assert await journal.file("default", "file-1") == there
    assert await journal.files(ALL) == [there]


async def test_lists_page_in_both_orders_and_by_purpose(journal: Journal) -> None:
    for number, purpose in enumerate(("batch", "user_data", "batch"), 1):
        await put(journal, number, purpose)
    await put(journal, 4, tenant="another")
    queries = [ALL, ALL._replace(ascending=True), ALL._replace(purpose="batch"), ALL._replace(after="file-3", limit=1)]
    queries += [ALL._replace(after="file-1", ascending=True)]
    found = [[row.id[-1] for row in await journal.files(query)] for query in queries]
    assert found == [["3", "2", "1"], ["1", "2", "3"], ["3", "1"], ["2"], ["2", "3"]]


async def test_a_deleted_file_is_gone_and_its_content_is_to_be_removed(journal: Journal) -> None:
    stranger = DeleteFile(file="file-1", tenant="another")
    answers = await journal.edit([RESERVE, COMPLETE, stranger, DELETE, DELETE, COMPLETE])
    verdicts = [answer.verdict for answer in answers[2:]]
    assert verdicts == [Verdict.UNKNOWN, Verdict.DONE, Verdict.UNKNOWN, Verdict.UNKNOWN]
    assert await journal.file("default", "file-1") is None
    assert await errands(journal) == [Errand(ErrandKind.REMOVE_OBJECT, "default", "file-1")]


async def test_an_expired_file_is_gone_at_once_and_removed_by_the_next_pruning(
    journal: Journal, clock: ManualClock
) -> None:
    await journal.edit([RESERVE, replace(COMPLETE, expires_after_s=3600.0)])
    clock.time += 3599
    assert await journal.file("default", "file-1") is not None
    clock.time += 1
    assert await journal.file("default", "file-1") is None
    assert await journal.files(ALL) == []
    await journal.prune(10)
    assert await errands(journal) == [Errand(ErrandKind.REMOVE_OBJECT, "default", "file-1")]
    assert (await journal.edit([DELETE]))[0].verdict is Verdict.UNKNOWN


async def test_an_upload_that_nobody_completed_is_removed_after_a_day(journal: Journal, clock: ManualClock) -> None:
    await journal.edit([RESERVE])
    clock.time += RESERVED_S - 1
    await journal.prune(10)
    assert await errands(journal) == []
    clock.time += 1
    assert not await journal.prune(10)
    assert await errands(journal) == [Errand(ErrandKind.REMOVE_OBJECT, "default", "file-1")]


async def test_pruning_says_whether_more_has_lapsed(journal: Journal, clock: ManualClock) -> None:
    for number in range(3):
        await journal.edit([ReserveFile(file=f"file-{number}", tenant="default", filename="f", purpose="batch")])
    clock.time += RESERVED_S
    assert [await journal.prune(2), await journal.prune(2)] == [True, False]
    assert len(await errands(journal)) == 3


NEW = CreateUpload(upload="upload_1", tenant="default", filename="a.bin", purpose="vision", size=6)
CANCEL = CancelUpload(upload="upload_1", tenant="default")
DONE = CompleteUpload(upload="upload_1", tenant="default", file="file-1", size=6)


async def add(journal: Journal, part: str) -> None:
    reserve = ReserveFile(file=part, tenant="default", filename="a.bin", purpose="vision", upload="upload_1")
    await journal.edit([reserve, CompleteFile(file=part, tenant="default", size=3, expires_after_s=UPLOAD_S)])


async def test_an_upload_has_its_parts_and_no_list_shows_them(journal: Journal, clock: ManualClock) -> None:
    await journal.edit([NEW, NEW])
    for part in ("part_2", "part_1"):
        await add(journal, part)
    found = await journal.upload("default", "upload_1")
    assert found is not None
    upload, parts = found
    assert (upload.status, upload.size, upload.expires_at) == ("pending", 6, clock.time + UPLOAD_S)
    assert [(part.id, part.size) for part in parts] == [("part_1", 3), ("part_2", 3)]
    assert await journal.files(ALL) == []
    assert await journal.upload("another", "upload_1") is None


async def test_an_upload_ends_once_and_its_parts_go(journal: Journal) -> None:
    await journal.edit([NEW])
    await add(journal, "part_1")
    other = ReserveFile(file="file-2", tenant="default", filename="a.bin", purpose="vision")
    await journal.edit([RESERVE, other])
    answers = await journal.edit([replace(DONE, tenant="another"), DONE, replace(DONE, file="file-2"), CANCEL])
    assert [answer.verdict for answer in answers] == [Verdict.UNKNOWN, *[Verdict.DONE] * 3]
    assert [answer.detail for answer in answers[1:]] == ["completed"] * 3
    assert [(file.id, file.size) for file in await journal.files(ALL)] == [("file-1", 6)]
    found = await journal.upload("default", "upload_1")
    assert found is not None
    assert (found[0].status, found[0].file, found[1]) == ("completed", "file-1", [])
    assert await errands(journal) == [Errand(ErrandKind.REMOVE_OBJECT, "default", "part_1")]


async def test_an_upload_cannot_become_a_file_that_is_gone(journal: Journal) -> None:
    await journal.edit([NEW])
    assert (await journal.edit([DONE]))[0].verdict is Verdict.UNKNOWN
    found = await journal.upload("default", "upload_1")
    assert found is not None
    assert found[0].status == "pending"


async def test_an_upload_that_nobody_ends_expires_and_is_removed_with_its_parts(
    journal: Journal, clock: ManualClock
) -> None:
    await journal.edit([NEW])
    await add(journal, "part_1")
    clock.time += UPLOAD_S
    found = await journal.upload("default", "upload_1")
    assert found is not None
    assert found[0].status == "expired"
    assert (await journal.edit([DONE]))[0].detail == "expired"
    await journal.prune(10)
    assert await errands(journal) == [Errand(ErrandKind.REMOVE_OBJECT, "default", "part_1")]
    clock.time += RESERVED_S
    await journal.prune(10)
    assert await journal.upload("default", "upload_1") is None
