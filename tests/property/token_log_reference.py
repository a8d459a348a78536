"""What the token log should say: operations by number in a list, and no chunks, rows or transactions."""

from dataclasses import dataclass, field

from actors.token_log.protocol import Append, AppendVerdict, SealRequest
from events.v1.tokens_pb2 import Chunk, Operation
from pipelines.steps import FIRST_OPERATION


@dataclass
class ReferenceLog:
    """One log."""

    fence: int = 0
    chunks: list[bytes] = field(default_factory=list)  # all that were taken, for repeats
    operations: list[Operation] = field(default_factory=list)
    end: int | None = None  # of a sealed log
    terminal: int = 0  # the number of its terminal event
    status: str = ""

    @property
    def next_sequence(self) -> int:
        if not self.operations:
            return FIRST_OPERATION
        return self.operations[-1].sequence + self.operations[-1].count

    @property
    def item(self) -> list[Operation]:
        """The operations of the item that is open; none where none is."""
        kinds = [operation.WhichOneof("kind") for operation in self.operations]
        opened = max((index for index, kind in enumerate(kinds) if kind == "open_item"), default=len(kinds))
        return [] if "close_item" in kinds[opened:] else self.operations[opened:]

    @property
    def closing(self) -> list[str]:
        """The text of the item that a seal must close."""
        return ["".join(operation.delta.text for operation in self.item)] if self.item else []

    def open_with(self, fence: int) -> bool:
        if fence < self.fence:
            return False
        if self.end is None:
            self.fence = fence
        return True

    def append(self, command: Append) -> AppendVerdict:
        if command.chunk in self.chunks and command.sequence < self.next_sequence:
            return AppendVerdict.DONE
        if self.end is not None:
            return AppendVerdict.SEALED
        if command.fence < self.fence:
            return AppendVerdict.STALE
        if command.sequence != self.next_sequence:
            return AppendVerdict.GAP
        self.fence = command.fence
        self.chunks.append(command.chunk)
        self.operations += Chunk.FromString(command.chunk).operations
        return AppendVerdict.DONE

    def seal(self, request: SealRequest) -> None:
        if self.end is not None:
            return
        limit = self.next_sequence - 1 if request.end is None else request.end
        kept = [operation for operation in self.operations if operation.sequence + operation.count - 1 <= limit]
        if len(kept) < len(self.operations):
            self.operations = kept
            whole = {operation.sequence for operation in kept}
            self.chunks = [
                chunk
                for chunk in self.chunks
                if all(operation.sequence in whole for operation in Chunk.FromString(chunk).operations)
            ]
        self.end, self.status = self.next_sequence - 1, request.status
        self.terminal = self.next_sequence + (3 if self.item else 0)
