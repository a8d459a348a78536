"""From messages to token ids, by the chat template that comes with the model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pipelines.payloads import Message


class Encoded(NamedTuple):
    """A prompt's ids, None where the engine takes text; and how many tokens it has."""

    token_ids: list[int] | None
    tokens: int


class Tokenizer(Protocol):
    """What the renderer needs of a model's tokenizer."""

    def encode(self, messages: Sequence[Message]) -> Encoded:
        """The whole prompt, up to where the model's answer begins."""


class WordCounter:
    """For the engine `scripted`, which has no tokens: a word counts as one."""

    def encode(self, messages: Sequence[Message]) -> Encoded:
        """No ids."""
        return Encoded(None, sum([len(message.content.split()) for message in messages]))


class ChatTokenizer:
    """The tokenizer and the chat template of a model folder."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = _load(folder)

    def encode(self, messages: Sequence[Message]) -> Encoded:
        """The ids of the chat template filled with these messages."""
        turns = [{"role": _role(message), "content": message.content} for message in messages]
        ids = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        return Encoded(ids, len(ids))


def _load(folder: Path) -> Any:
    # Imported late, as processes without such a model should not pay for it; and the automatic class only where it
    # must be, as it imports torch: ten seconds and 250 MB more on a small machine.
    if (folder / "tokenizer.json").is_file():
        from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

        return PreTrainedTokenizerFast.from_pretrained(folder)
    from transformers import AutoTokenizer  # noqa: PLC0415

    return AutoTokenizer.from_pretrained(folder)


def _role(message: Message) -> str:
    return "system" if message.role == "developer" else message.role  # chat templates do not know developers
