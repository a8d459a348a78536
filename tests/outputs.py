"""Outputs of a model whose tokens are any bytes, and the log that an inference worker makes of them."""

from collections.abc import Iterable, Sequence
from typing import Any

from deployments.engines.protocol import TokenLogprob, Tokens
from deployments.engines.scripted import ScriptedEngine
from deployments.inference.interpreter import Interpreter
from deployments.inference.readers import Reader
from deployments.inference.transcript import Transcript
from events.v1.tokens_pb2 import Chunk, Logprob, Operation
from pipelines.jobs import ClaimedJob, Reference
from pipelines.operations import EMPTY, Item, LogState, Piece, replay
from pipelines.steps import INFER
from tests.factories import job_id

_CLAIM = ClaimedJob(
    pipeline="generate",
    job_id=job_id(),
    tenant="default",
    model="m",
    step=INFER,
    attempt=1,
    fence=2,
    deadline_at=0,
    created_at=0,
    ready_at=0,
    claimed_at=0,
    traceparent="",
    request=Reference("0" * 64, 1),
    context=None,
    rendered=None,
    payloads={},
)


class Vocabulary:
    """Tokens are bytes; a token's id is where it stands."""

    def __init__(self, tokens: Sequence[bytes]) -> None:
        self.tokens = list(tokens)

    def decode(self, ids: list[int]) -> str:
        return b"".join([self.tokens[token] for token in ids]).decode(errors="replace")

    def spell(self, likely: TokenLogprob) -> Logprob:
        data = self.tokens[likely.id]
        return Logprob(token=data.decode(errors="replace"), utf8=data, logprob=likely.logprob)

    def interpreter(self, stop: Sequence[str] = (), reader: Reader | None = None) -> Interpreter:
        return Interpreter(decode=self.decode, spell=self.spell, stop=stop, reader=reader)


class Recorder:
    """Keeps the chunks that a transcript writes."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def write(
        self,
        job_id: str,
        fence: int,
        operations: Sequence[Operation],
        token_ids: Sequence[int],
        *,
        finish_reason: str,
        engine_fingerprint: str,
    ) -> None:
        del job_id, fence
        chunk = Chunk(
            operations=operations,
            token_ids=token_ids,
            finish_reason=finish_reason,
            engine_fingerprint=engine_fingerprint,
        )
        self.chunks.append(chunk.SerializeToString())


def written(interpreter: Interpreter, batches: Iterable[Tokens], state: LogState = EMPTY) -> list[bytes]:
    """The chunks that are logged until the output ends."""
    recorder: Any = Recorder()
    transcript = Transcript(_CLAIM, state, engine=ScriptedEngine(), interpreter=interpreter, writer=recorder)
    for tokens in batches:
        transcript.add(tokens)
        if transcript.finished:
            break
    return list(recorder.chunks)


def items(chunks: Iterable[bytes]) -> tuple[Item, ...]:
    return replay(chunks).items


def said(reader: Reader, *texts: str) -> list[tuple[str, str, str]]:
    """Kind, name and text of the items that come of these texts, each of which is a token's."""
    pieces = [piece for index, text in enumerate(texts) for piece in reader.push(text, (index,))] + reader.flush()
    return grouped(pieces)


def grouped(pieces: Iterable[Piece]) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for piece in pieces:
        if found and not piece.opens and found[-1][0] == piece.kind:
            found[-1] = (piece.kind, found[-1][1], found[-1][2] + piece.text)
        else:
            found.append((piece.kind, piece.name, piece.text))
    return found
