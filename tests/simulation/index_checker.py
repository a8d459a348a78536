"""The verdict on the vector stores of a world that has come to rest: attachments, counts, and what the index has."""

from collections import Counter
from collections.abc import Iterable, Iterator

from pipelines.data.chunker import Window, chunk
from pipelines.jobs import Status
from pipelines.vector_edits import Attachment, FileCounts
from tests.encoders import word_spans
from tests.simulation.watcher import Violation
from tests.simulation.world import World

_BLAMED = "worker"  # in the message of a file that was given up for the deaths of its workers


def judge_stores(world: World) -> Iterator[Violation]:
    """All violations."""
    for row in world.journal_disk.attachments.values():
        yield from _attachment(world, row)
    yield from _counts(world)
    for story in world.record.stores:
        if (story.id in world.journal_disk.vector_stores) is story.deleted:
            yield Violation("flipped" if story.deleted else "lost", f"{story.id} was made, deleted: {story.deleted}")
    left = {key[:2] for key in world.shelf} - {(row.store, row.id) for row in world.journal_disk.attachments.values()}
    if world.journal_disk.removals:
        yield Violation("stuck", f"{len(world.journal_disk.removals)} removals wait")
    elif left:
        yield Violation("index", f"nobody has attached {sorted(left)}, and the index has chunks of them")
    for file in [file for file in world.record.deleted if file in world.contents]:
        yield Violation("index", f"{file} was deleted, and its content is there")


def _counts(world: World) -> Iterator[Violation]:
    """Stores and batches of files count what is attached, each file once."""
    disk, rows = world.journal_disk, world.journal_disk.attachments.values()
    counts = {store.id: store.counts for store in disk.vector_stores.values()}
    counts |= {batch.id: batch.counts for batch in disk.file_batches.values()}
    for name, counted in counts.items():
        if counted != (found := _count(row for row in rows if name in (row.store, row.file_batch))):
            yield Violation("counts", f"{name} counts {counted}, and has {found}")
    for store in disk.vector_stores.values():
        used = sum(row.usage_bytes for row in rows if row.store == store.id)
        if store.usage_bytes != used:
            yield Violation("counts", f"{store.id} counts {store.usage_bytes} bytes of {used}")
    for (store_id, file), number in Counter((row.store, row.file) for row in rows).items():
        if number > 1:
            yield Violation("duplicated", f"{file} is attached to {store_id} {number} times")


def _attachment(world: World, row: Attachment) -> Iterator[Violation]:
    if row.status is Status.IN_PROGRESS:
        yield Violation("stuck", f"{row.id} is {row.status}")
    if row.file in world.record.deleted:
        yield Violation("flipped", f"{row.id} is attached, and {row.file} was deleted")
    wish = world.record.uploads[row.file]
    if row.status is Status.COMPLETED:
        text = wish.content.decode().partition("\n")[2]
        expected = [text[a:b] for a, b in chunk(text, word_spans, Window(row.chunk_tokens, row.overlap_tokens))]
        chunks = {key[2]: said for key, said in world.shelf.items() if key[:2] == (row.store, row.id)}
        if [chunks[ordinal] for ordinal in sorted(chunks)] != expected:
            yield Violation("index", f"{row.id} is {row.status}; of {len(expected)} chunks there are {sorted(chunks)}")
        if wish.fails:
            yield Violation("index", f"{row.id} is {row.status}, and cannot be")
    elif row.status is Status.FAILED and not wish.fails and _BLAMED not in row.error_message:
        yield Violation("index", f"{row.id} has failed: {row.error_message}")


def _count(rows: Iterable[Attachment]) -> FileCounts:
    return FileCounts(**Counter(str(row.status) for row in rows))
