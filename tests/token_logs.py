"""Chunks and appends for tests of the token log."""

from actors.token_log.protocol import Append, Logged
from events.v1.tokens_pb2 import Chunk, Operation, Seal
from pipelines.composer import Composer
from pipelines.jobs import Status
from pipelines.operations import Piece, span
from tests.factories import job_id


class TextComposer(Composer):
    """Says one message."""

    def begin(self) -> list[Operation]:
        """The message is open then."""
        return super().begin() + ([] if self.open else self.say(Piece(text="")))

    def delta(self, text: str) -> list[Operation]:
        return self.say(Piece(text=text))


def append_of(operations: list[Operation], *, number: int = 0, fence: int = 1) -> Append:
    first, after = span(operations)
    chunk = Chunk(operations=operations, token_ids=range(len(operations))).SerializeToString()
    return Append(job_id=job_id(number), fence=fence, sequence=first, next_sequence=after, chunk=chunk)


def appends(*texts: str, number: int = 0, fence: int = 1, close: bool = False) -> list[Append]:
    """A job's appends: the opening, then one for each text; numbers 2 to 4, 5, 6 and so on."""
    composer = TextComposer(job_id(number))
    groups = [composer.begin(), *map(composer.delta, texts)]
    if close:
        groups.append(composer.close(Status.COMPLETED))
    return [append_of(operations, number=number, fence=fence) for operations in groups]


def with_fence(append: Append, fence: int) -> Append:
    return append._replace(fence=fence)


def numbers(logged: Logged) -> list[int]:
    """The first number of every operation that a reader gets before the closing ones."""
    return [operation.sequence for chunk in logged.chunks for operation in Chunk.FromString(chunk).operations]


def shown(logged: Logged) -> str:
    """The text that a reader has seen."""
    chunks = [Chunk.FromString(chunk) for chunk in logged.chunks]
    return "".join(operation.delta.text for chunk in chunks for operation in chunk.operations)


def seal_in(data: bytes | None) -> Seal:
    assert data is not None
    return Seal.FromString(data)
