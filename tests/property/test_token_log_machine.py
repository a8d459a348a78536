import asyncio
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.stores import StaleEpochError
from actors.token_log.protocol import Append, Logged, SealRequest
from actors.token_log.store import Store
from actors.token_log.token_log import TokenLog
from events.v1.tokens_pb2 import Chunk, Operation
from pipelines.jobs import Status
from pipelines.operations import replay
from tests.contract.store_kind import Server, StoreKind
from tests.contract.token_log_stores import KINDS
from tests.factories import job_id, make_ports
from tests.property.runs import run
from tests.property.token_log_reference import ReferenceLog
from tests.token_logs import TextComposer, append_of, seal_in, with_fence

NUMBERS = st.integers(0, 1)
FENCES = st.integers(0, 2)  # how far above the log's
TEXTS = st.lists(st.sampled_from(["a", "bc", "d" * 50]), min_size=1, max_size=3)
ENDS = st.none() | st.integers(1, 12)
TERMINALS = st.sampled_from([Status.COMPLETED, Status.FAILED, Status.CANCELLED])


class TokenLogMachine(RuleBasedStateMachine):
    """A real token log beside the reference."""

    def __init__(self, kind: StoreKind, folder: Path, server: Server) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory(dir=folder)
        self.open_store = kind.make(Path(self.folder.name), server)
        self.references: defaultdict[int, ReferenceLog] = defaultdict(ReferenceLog)
        self.sent: list[tuple[int, Append]] = []
        self.seals: dict[int, bytes] = {}
        self.begin()

    def begin(self) -> None:
        self.store: Store = self.open_store()
        self.log = TokenLog(self.store, ports=make_ports())

    def teardown(self) -> None:
        self.log.close()
        self.runner.close()
        self.folder.cleanup()

    @rule(number=NUMBERS, above=FENCES)
    def is_opened(self, number: int, above: int) -> None:
        reference = self.references[number]
        fence = max(0, reference.fence + above - 1)
        (logged,) = self.runner.run(self.log.open([(job_id(number), fence)]))
        assert (logged is not None) == reference.open_with(fence)
        if logged is not None:
            assert _operations(logged) == reference.operations

    @rule(number=NUMBERS, texts=TEXTS, above=FENCES, closes=st.booleans())
    def is_appended_to(self, number: int, texts: list[str], above: int, *, closes: bool) -> None:
        reference = self.references[number]
        composer = TextComposer(job_id(number), replay([Chunk(operations=reference.operations).SerializeToString()]))
        operations = composer.begin() + [made for text in texts for made in composer.delta(text)]
        operations += composer.close(Status.COMPLETED) if closes else []
        fence = max(1, reference.fence + above - 1)
        self._append(number, append_of(operations, number=number, fence=fence))

    @rule(number=NUMBERS, ahead=st.integers(-2, 3))
    def is_appended_to_out_of_turn(self, number: int, ahead: int) -> None:
        reference = self.references[number]
        sequence = max(2, reference.next_sequence + ahead)
        chunk = Chunk(operations=[Operation(sequence=sequence, count=1, delta={"text": f"x{len(self.sent)}"})])
        if sequence != reference.next_sequence:
            append = Append(
                job_id=job_id(number),
                fence=max(1, reference.fence),
                sequence=sequence,
                next_sequence=sequence + 1,
                chunk=chunk.SerializeToString(),
            )
            self._append(number, append)

    @rule(data=st.data(), fence=st.integers(1, 3))
    def hears_an_append_again(self, data: st.DataObject, fence: int) -> None:
        if self.sent:
            number, append = data.draw(st.sampled_from(self.sent))
            self._append(number, with_fence(append, fence))

    @rule(data=st.data(), size=st.integers(2, 5))
    def hears_many_again_in_one_call(self, data: st.DataObject, size: int) -> None:
        if self.sent:
            batch = [data.draw(st.sampled_from(self.sent)) for _ in range(size)]
            verdicts = self.runner.run(self.log.append([append for _, append in batch]))
            assert verdicts == [self.references[number].append(append) for number, append in batch]

    @rule(number=st.sampled_from([0, 1, 2]), status=TERMINALS, end=ENDS)
    def is_sealed(self, number: int, status: Status, end: int | None) -> None:
        request = SealRequest(job_id=job_id(number), status=status, end=end)
        (data,) = self.runner.run(self.log.seal([request]))
        reference = self.references[number]
        reference.seal(request)
        assert self.seals.setdefault(number, data) == data
        seal = seal_in(data)
        assert (seal.end, seal.terminal.status) == (reference.end, reference.status)
        assert seal.terminal.sequence == reference.terminal
        assert [closing.close_item.text for closing in seal.closing] == reference.closing

    @rule(numbers=st.lists(st.sampled_from([0, 1, 2]), max_size=2))
    def forgets(self, numbers: list[int]) -> None:
        self.runner.run(self.log.forget(list(map(job_id, numbers))))
        for number in numbers:
            self.references.pop(number, None)
            self.seals.pop(number, None)

    @rule(number=NUMBERS, after=st.integers(-1, 12), limit=st.integers(1, 120))
    def is_read_in_pages(self, number: int, after: int, limit: int) -> None:
        reference = self.references[number]
        chunks, more, cursor = list[bytes](), True, after
        while more:
            page = self.store.read(job_id(number), cursor, limit)
            assert len(page.chunks) == 1 or sum(map(len, page.chunks)) <= limit
            assert page.seal == (None if page.more else self.seals.get(number))
            chunks, more, cursor = chunks + page.chunks, page.more, page.cursor
        told = [made for made in _operations(Logged(chunks, None)) if made.sequence + made.count - 1 > after]
        assert told == [made for made in reference.operations if made.sequence + made.count - 1 > after]

    @rule()
    def restarts(self) -> None:
        self.log.close()
        self.begin()

    @rule(number=NUMBERS)
    def is_replaced(self, number: int) -> None:
        old = self.log
        self.begin()
        with pytest.raises(StaleEpochError):
            self.runner.run(old.open([(job_id(number), 99)]))
        old.close()

    @invariant()
    def says_what_the_reference_says(self) -> None:
        for number, reference in self.references.items():
            logged = self.runner.run(self.log.read(job_id(number), -1))
            assert _operations(logged) == reference.operations
            assert logged.seal == self.seals.get(number)

    def _append(self, number: int, append: Append) -> None:
        self.sent.append((number, append))
        (verdict,) = self.runner.run(self.log.append([append]))
        assert verdict == self.references[number].append(append)


def _operations(logged: Logged) -> list[Operation]:
    return [operation for chunk in logged.chunks for operation in Chunk.FromString(chunk).operations]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_token_log_does_what_the_reference_does(
    kind: StoreKind, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run(lambda: TokenLogMachine(kind, tmp_path, lambda: request.getfixturevalue("postgres")), kind.name)
