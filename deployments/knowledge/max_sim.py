"""Late interaction: each token of a query looks for its like in the passage, and the score is how well they do."""

from collections.abc import Sequence

import torch
from torch.nn.functional import normalize

from deployments.knowledge.encoding import Pair
from deployments.knowledge.tokenizer import TextTokenizer
from deployments.knowledge.transformer import Transformer


class MaxSim:
    """For one thread."""

    def __init__(self, transformer: Transformer, tokenizer: TextTokenizer) -> None:
        self._transformer = transformer
        self._tokenizer = tokenizer

    def scores(self, pairs: Sequence[Pair]) -> list[float]:
        """Of each pair: the mean over the query's tokens of the best cosine in the passage, from 0 to 1."""
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        tokens = dict(zip(texts, self._token_vectors(texts), strict=True))
        scores = [0.0] * len(pairs)
        for query in {pair.query for pair in pairs}:
            places = [place for place, pair in enumerate(pairs) if pair.query == query]
            found = _late(tokens[query], [tokens[pairs[place].passage] for place in places])
            for place, score in zip(places, found, strict=True):
                scores[place] = score
        return scores

    def _token_vectors(self, texts: Sequence[str]) -> list[torch.Tensor]:
        """Of each text a vector of length one for every token, of shape (tokens, width), without the marks."""
        windows = [self._transformer.windows(ids) for ids in self._tokenizer.ids(texts)]
        flat = [window for each in windows for window in each]
        before, after = (len(marks) for marks in self._transformer.marks)
        found: list[torch.Tensor] = [torch.empty(0)] * len(flat)
        for places, states, _ in self._transformer.read(flat):
            for place, row in zip(places, normalize(states, dim=-1), strict=True):
                found[place] = row[before : len(flat[place]) - after]
        parts = iter(found)
        return [torch.cat([next(parts) for _ in each]) for each in windows]


def _late(query: torch.Tensor, passages: Sequence[torch.Tensor]) -> list[float]:
    cosines = torch.split(query @ torch.cat(list(passages)).T, [len(passage) for passage in passages], dim=1)
    bests = [each.amax(1).mean() if each.numel() else each.new_zeros(()) for each in cosines]
    scores: list[float] = torch.stack(bests).clamp(0, 1).tolist()
    return scores
