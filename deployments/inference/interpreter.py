"""What a model says, from its token ids: text, stop strings, reasoning, function calls.

Invariants:
- The pieces are a function of the prompt and the ids. A worker that pushes the logged ids, and drops what that says,
  stands exactly where the one before it stood.
- Where there is a reader, no item begins with white space or is nothing but that: it stands between the marks.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat

from deployments.engines.protocol import TokenLogprob
from deployments.inference.detokenizer import Detokenizer
from deployments.inference.readers import Reader
from deployments.inference.stop_strings import StopStrings, Unit
from events.v1.tokens_pb2 import Logprob
from pipelines.operations import Kind, Piece


class Interpreter:
    """Interprets one output. `spell` says a token's likelihood in words."""

    def __init__(
        self,
        *,
        decode: Callable[[list[int]], str],
        spell: Callable[[TokenLogprob], Logprob],
        stop: Sequence[str] = (),
        reader: Reader | None = None,
        most_calls: int | None = None,
    ) -> None:
        self._detokenizer = Detokenizer(decode)
        self._spell = spell
        self._stop = StopStrings(stop) if stop else None
        self._reader = reader
        self._calls_left = most_calls
        self._enough = False
        self._ids: list[int] = []  # whose text is not yet whole
        self._logprobs: list[Logprob] = []  # of these
        self._kind: Kind | None = None  # of the item that is open
        self.read = 0
        self.reasoning_tokens = 0

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met, or a call too many: nothing more counts, and no further ids are read."""
        return self._enough or (self._stop is not None and self._stop.stopped)

    @property
    def settled(self) -> bool:
        """Whether no likelihood is held back, which the ids alone would not bring back."""
        if self._logprobs:
            return False
        return self._stop is None or self._stop.stopped or not any(unit.logprobs for unit in self._stop.held)

    def push(self, ids: Sequence[int], logprobs: Sequence[TokenLogprob] | None = None) -> list[Piece]:
        """What these ids, as far as they are read, add."""
        if self._stop is None and self._reader is None and logprobs is None and not self._logprobs:
            self.read += len(ids)
            return [Piece(text=self._detokenizer.push(ids))]
        pieces: list[Piece] = []
        for token, logprob in zip(ids, logprobs or repeat(None), strict=False):
            if self.stopped:
                break
            pieces += self._step(token, logprob)
        return merged(pieces)

    def flush(self) -> list[Piece]:
        """What was held back; call it once, at the end."""
        if not self.read:
            return []
        unit = self._unit(self._detokenizer.flush())
        units = [unit] if unit.text else []
        if self._stop is not None:
            units = [ready for unit in units for ready in self._stop.push(unit)] + self._stop.flush()
        pieces = [piece for unit in units for piece in self._interpret(unit)]
        if self._reader is not None:
            pieces += self._trim(self._reader.flush())
        return merged(pieces)

    def _step(self, token: int, logprob: TokenLogprob | None) -> list[Piece]:
        self.read += 1
        self._ids.append(token)
        if logprob is not None:
            self._logprobs.append(self._spell(logprob))
        text = self._detokenizer.push((token,))
        if not text:
            return []
        unit = self._unit(text)
        units = [unit] if self._stop is None else self._stop.push(unit)
        return [piece for ready in units for piece in self._interpret(ready)]

    def _unit(self, text: str) -> Unit:
        unit = Unit(text, tuple(self._ids), tuple(self._logprobs))
        self._ids, self._logprobs = [], []
        return unit

    def _interpret(self, unit: Unit) -> list[Piece]:
        if self._reader is None:
            return [Piece(text=unit.text, logprobs=unit.logprobs)]
        pieces = self._trim(self._reader.push(unit.text, unit.ids))
        if self._kind is Kind.REASONING:
            self.reasoning_tokens += len(unit.ids)
        return _likely(pieces, unit.logprobs)

    def _trim(self, pieces: Iterable[Piece]) -> list[Piece]:
        trimmed = []
        for piece in pieces:
            self._enough = self._enough or (piece.opens and not self._may_call())
            if self._enough:
                break
            text = piece.text
            if piece.kind is not self._kind and piece.kind is not Kind.FUNCTION_CALL:
                text = text.lstrip()
                if not text:
                    continue
            self._kind = piece.kind
            trimmed.append(piece if text is piece.text else piece._replace(text=text))
        return trimmed

    def _may_call(self) -> bool:
        """Whether another call may begin, which is one less then."""
        if self._calls_left is None:
            return True
        self._calls_left -= 1
        return self._calls_left >= 0


def merged(pieces: Iterable[Piece]) -> list[Piece]:
    """The same in as few pieces as may be."""
    few: list[Piece] = []
    for piece in pieces:
        last = few[-1] if few else None
        if last is not None and last.kind is piece.kind and not piece.opens:
            few[-1] = last._replace(text=last.text + piece.text, logprobs=last.logprobs + piece.logprobs)
        else:
            few.append(piece)
    return few


def _likely(pieces: list[Piece], logprobs: tuple[Logprob, ...]) -> list[Piece]:
    """With the likelihoods at the first message; there is none for reasoning and calls."""
    for index, piece in enumerate(pieces):
        if logprobs and piece.kind is Kind.MESSAGE:
            pieces[index] = piece._replace(logprobs=logprobs)
            break
    return pieces
