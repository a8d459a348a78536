"""How many of a replica's slots the lines of batches may hold: interactive work always finds some free.

`RESERVED` slots are never theirs; while other work was seen within the last `QUIET_S` seconds they have a sixteenth of
all, and begin one after the other, each when the one before has its first token. Lines that run already go on to their
end.
"""

from pipelines.ports import Clock

RESERVED = 2
QUIET_S = 10.0
_MEMORY = 8  # prompts; older ones hardly count
_CROWDED = 16  # the part of all slots that is theirs then


class Share:
    """Of one replica's slots. `lines` is how many of them run, `beginning` how many of those have no token yet."""

    def __init__(self, total: int, clock: Clock) -> None:
        self._total = total
        self._clock = clock
        self._seen_at: float | None = None
        self.lines = 0
        self.beginning = 0
        self.prompt_tokens = 0.0  # of a line, on average; 0 while nobody knows

    def seen(self) -> None:
        """Other work is there."""
        self._seen_at = self._clock.monotonic()

    def read(self, tokens: int) -> None:
        """The prompt of a line has so many tokens."""
        known = self.prompt_tokens or tokens
        self.prompt_tokens = known + (tokens - known) / _MEMORY

    def most(self) -> int:
        """How many lines may run now. One always may, or they would never end."""
        return max(1, self._total - RESERVED if self._quiet() else self._total // _CROWDED)

    def portion(self) -> int:
        """How many lines are claimed together at the most: the others run while these are claimed and reported."""
        return -(-self.most() // 2) if self._quiet() else 1

    def free(self) -> int:
        """How many more lines may begin now."""
        return 0 if self.beginning and not self._quiet() else max(0, self.most() - self.lines)

    def _quiet(self) -> bool:
        return self._seen_at is None or self._clock.monotonic() - self._seen_at > QUIET_S
