"""A model that reads query and passage together and says how well the one answers the other."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Encoding, Tokenizer
from transformers import AutoModelForSequenceClassification

from deployments.knowledge.encoding import Pair
from deployments.knowledge.tokenizer import TextTokenizer
from deployments.knowledge.transformer import BATCH_TOKENS, batches, load, padded, prepare_torch


class CrossEncoder:
    """For one thread, that which makes it. Raises ValueError where the model has more than one label."""

    def __init__(self, folder: Path, *, window: int, threads: int) -> None:
        self._device = prepare_torch(threads)
        self._model: Any = load(AutoModelForSequenceClassification, folder, self._device)
        if self._model.config.num_labels != 1:
            raise ValueError(f"{folder} has {self._model.config.num_labels} labels, and a cross-encoder has one")
        self._has_types = "token_type_ids" in inspect.signature(self._model.forward).parameters
        self._queries = TextTokenizer(folder)
        self._longest_query = window // 2
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(window, strategy="only_second")

    def scores(self, pairs: Sequence[Pair]) -> list[float]:
        """Of each pair, from 0 to 1; a long passage is read in windows and has the score of its best one."""
        queries = {pair.query: self._cut(pair.query) for pair in pairs}
        encodings = self._tokenizer.encode_batch([(queries[pair.query], pair.passage) for pair in pairs])
        rows = [(place, row) for place, first in enumerate(encodings) for row in (first, *first.overflowing)]
        scores = [0.0] * len(pairs)
        for group in batches([len(row) for _, row in rows], BATCH_TOKENS[self._device.type]):
            for place, score in zip(group, self._read([rows[each][1] for each in group]), strict=True):
                owner = rows[place][0]
                scores[owner] = max(scores[owner], score)
        return scores

    def _read(self, rows: Sequence[Encoding]) -> list[float]:
        ids, mask = padded([row.ids for row in rows], self._device)
        inputs = {"input_ids": ids, "attention_mask": mask}
        if self._has_types:
            inputs["token_type_ids"] = padded([row.type_ids for row in rows], self._device)[0]
        with torch.inference_mode():
            scores: list[float] = self._model(**inputs).logits[:, 0].float().sigmoid().tolist()
        return scores

    def _cut(self, query: str) -> str:
        """The query, and not so much of it that no passage fits beside it."""
        spans = self._queries.spans(query)
        return query[: spans[self._longest_query - 1][1]] if len(spans) > self._longest_query else query
