"""How fast one generation runs: metrics, and the spans `prefill` and `decode` where traces are wanted."""

from collections.abc import Callable, Mapping

from pipelines.ports import Ports


class Pace:
    """Watches one generation. `since` is when its worker had it, in Unix seconds; `about` is for its spans.

    Where it is not `awaited`, as with a line of a batch, its times would only hide those of others.
    """

    def __init__(
        self,
        *,
        model: str,
        since: float,
        traceparent: str,
        about: Mapping[str, str | int],
        ports: Ports,
        awaited: bool = True,
        on_first: Callable[[], None] = lambda: None,
    ) -> None:
        self._awaited = awaited
        self._on_first = on_first
        self._model = model
        self._since = since
        self._traceparent = traceparent
        self._about = about
        self._ports = ports
        self._tokens = 0
        self._started = ports.clock.now()
        self._first = 0.0  # 0: no token yet
        self._last = 0.0

    def count(self, tokens: int) -> None:
        """So many tokens have just come."""
        self._last = self._ports.clock.now()
        if not self._first:
            self._first = self._last
            self._on_first()
            if self._awaited:
                waited = max(0.0, self._first - self._since)
                self._ports.metrics.observe("first_token_seconds", waited, model=self._model)
        self._tokens += tokens

    def end(self) -> None:
        """The last token has come."""
        self._ports.metrics.count("output_tokens", self._tokens, model=self._model)
        if self._awaited and self._tokens > 1:
            mean = max(0.0, self._last - self._first) / (self._tokens - 1)
            self._ports.metrics.observe("token_seconds", mean, model=self._model)
        if self._ports.tracer.enabled:
            self._trace()

    def _trace(self) -> None:
        span = self._ports.tracer.span
        span("prefill", self._traceparent, self._started, self._first, self._about)
        span("decode", self._traceparent, self._first, self._last, {**self._about, "tokens": self._tokens})
