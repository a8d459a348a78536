"""How fast one generation runs: metrics, and the spans `prefill` and `decode` where traces are wanted."""

from pipelines.jobs import ClaimedJob
from pipelines.ports import Ports


class Pace:
    """Watches one generation from its claim on."""

    def __init__(self, claim: ClaimedJob, ports: Ports) -> None:
        self._claim = claim
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
            waited = max(0.0, self._first - self._claim.claimed_at)
            self._ports.metrics.observe("first_token_seconds", waited, model=self._claim.model)
        self._tokens += tokens

    def end(self) -> None:
        """The last token has come."""
        self._ports.metrics.count("output_tokens", self._tokens, model=self._claim.model)
        if self._tokens > 1:
            mean = max(0.0, self._last - self._first) / (self._tokens - 1)
            self._ports.metrics.observe("token_seconds", mean, model=self._claim.model)
        if self._ports.tracer.enabled:
            self._trace()

    def _trace(self) -> None:
        attributes: dict[str, str | int] = {"job": self._claim.job_id, "attempt": self._claim.attempt}
        span = self._ports.tracer.span
        span("prefill", self._claim.traceparent, self._started, self._first, attributes)
        span("decode", self._claim.traceparent, self._first, self._last, {**attributes, "tokens": self._tokens})
