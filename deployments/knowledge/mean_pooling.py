"""A text's vector: the mean over all its tokens, in all its windows, at length one."""

from collections.abc import Sequence

import numpy as np

from deployments.knowledge.encoding import Vectors
from deployments.knowledge.transformer import Transformer


class MeanPooling:
    """For one thread."""

    def __init__(self, transformer: Transformer) -> None:
        self._transformer = transformer

    def vectors(self, texts: Sequence[list[int]]) -> Vectors:
        """The vectors of texts that are given by their ids, of shape (texts, width)."""
        windows = [self._transformer.windows(ids) for ids in texts]
        sums = self._sums([window for each in windows for window in each])
        starts = np.cumsum([0, *[len(each) for each in windows[:-1]]])
        # The sum has the direction of the mean. Windows are added in their order, whatever they were read with.
        vectors: Vectors = np.add.reduceat(sums, starts, axis=0)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def _sums(self, windows: Sequence[list[int]]) -> Vectors:
        sums = np.empty((len(windows), self._transformer.width), np.float32)
        for places, states, mask in self._transformer.read(windows):
            sums[places] = (states * mask[:, :, None]).sum(1).cpu().numpy()
        return sums
