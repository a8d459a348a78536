"""A transformer that reads token ids. Importing this takes seconds, for torch; loading a small model is quick then.

Long rows go before short ones, in batches of about the same length: little is padded, and memory does not grow.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoModel
from transformers.utils.logging import disable_progress_bar

from deployments.knowledge.tokenizer import Marks

BATCH_TOKENS = {"cpu": 1024, "cuda": 65536}  # of one call, padding included; a CPU likes what fits into its cache


class Read(NamedTuple):
    """What became of some windows: `places` says which, `states` is (windows, tokens, width), `mask` 0 for padding."""

    places: list[int]
    states: torch.Tensor
    mask: torch.Tensor


class Transformer:
    """A model on the GPU where there is one, in half the precision there. For one thread, that which makes it."""

    def __init__(self, folder: Path, *, marks: Marks, window: int, threads: int) -> None:
        self.device = prepare_torch(threads)
        self.marks = marks
        self._room = window - len(marks.before) - len(marks.after)
        self._model: Any = load(AutoModel, folder, self.device)

    @property
    def width(self) -> int:
        """Of the vectors."""
        return int(self._model.config.hidden_size)

    def windows(self, ids: list[int]) -> list[list[int]]:
        """A text in pieces that the model can read, each with its marks; one at least."""
        starts = range(0, max(1, len(ids)), self._room)
        return [[*self.marks.before, *ids[start : start + self._room], *self.marks.after] for start in starts]

    def read(self, windows: Sequence[list[int]]) -> Iterator[Read]:
        """The last layer's states of every window, some windows at a time, in no order."""
        for places in batches([len(window) for window in windows], BATCH_TOKENS[self.device.type]):
            ids, mask = padded([windows[place] for place in places], self.device)
            with torch.inference_mode():
                states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            yield Read(places, states.float(), mask)


def prepare_torch(threads: int) -> torch.device:
    """Where to compute; on a CPU, with so many threads for whoever calls this."""
    torch.set_num_threads(threads)
    disable_progress_bar()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load(kind: Any, folder: Path, device: torch.device) -> Any:
    """A model of this automatic class, ready to read."""
    half = torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float16
    dtype = torch.float32 if device.type == "cpu" else half
    return kind.from_pretrained(folder, dtype=dtype, local_files_only=True).to(device).eval()


def batches(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """The places of all rows, longest first, in groups that have at most so many tokens when they are padded."""
    group: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if group and (len(group) + 1) * lengths[group[0]] > most_tokens:
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def padded(rows: Sequence[list[int]], device: torch.device, fill: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows as one tensor, and the mask that tells them from what fills them up."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([row + [fill] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids.to(device), mask.to(device)
