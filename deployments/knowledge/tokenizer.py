"""An encoder's tokenizer without its model: how many tokens a text has, and where they are. It loads in an instant."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from deployments.knowledge.encoding import TextOrTokens
from pipelines.errors import RejectError


class Marks(NamedTuple):
    """The ids that the model wants before and after every text."""

    before: list[int]
    after: list[int]


class TextTokenizer:
    """The tokenizer of a model folder, loaded at its first use. Any thread may call it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ids(self, texts: Sequence[TextOrTokens]) -> list[list[int]]:
        """The ids of each text, without marks. Raises RejectError for ids that are none of this model's."""
        words = [text for text in texts if isinstance(text, str)]
        found = iter(self._tokenizer.encode_batch_fast(words, add_special_tokens=False))
        return [next(found).ids if isinstance(text, str) else self._checked(text) for text in texts]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where each token begins and ends, in characters of the text."""
        (encoding,) = self._tokenizer.encode_batch([text], add_special_tokens=False)
        spans: list[tuple[int, int]] = encoding.offsets
        return spans

    @cached_property
    def marks(self) -> Marks:
        """Read off a text that has both."""
        text = "a"
        bare = self._tokenizer.encode(text, add_special_tokens=False).ids
        whole = self._tokenizer.encode(text).ids
        start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
        return Marks(whole[:start], whole[start + len(bare) :])

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def _checked(self, ids: list[int]) -> list[int]:
        size = self._tokenizer.get_vocab_size()
        wrong = next((token for token in ids if not 0 <= token < size), None)
        if wrong is not None:
            raise RejectError(f"The model has no token {wrong}; its ids go to {size - 1}.", "invalid_value", "input")
        return ids
