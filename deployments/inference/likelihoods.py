"""Tokens and their likelihoods in words."""

from collections.abc import Callable

from deployments.engines.protocol import TokenLogprob
from events.v1.tokens_pb2 import Logprob

_REPLACEMENT = "\ufffd"


class Speller:
    """Spells the tokens of one engine. `spelling` gives a token's bytes, which may be a part of a character."""

    def __init__(self, spelling: Callable[[int], bytes]) -> None:
        self._spelling = spelling

    def spell(self, likely: TokenLogprob) -> Logprob:
        """The chosen token with the likeliest ones in its place."""
        logprob = self._one(likely.id, likely.logprob)
        logprob.top.extend([self._one(token, value) for token, value in likely.top])
        return logprob

    def _one(self, token: int, logprob: float) -> Logprob:
        data = self._spelling(token)
        return Logprob(token=data.decode(errors="replace"), utf8=data, logprob=logprob)
