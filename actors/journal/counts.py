"""How many steps each topic has, as the last commit has left them. Of the event loop only."""

from collections import Counter

from actors.journal.census import Census
from actors.journal.effects import Effects


class Counts:
    """By topic; what is not there is 0."""

    def __init__(self) -> None:
        self.ready: Counter[str] = Counter()
        self.waiting: Counter[str] = Counter()
        self.finished: Counter[str] = Counter()  # steps that came to an outcome since the start
        self.coming: Counter[str] = Counter()  # steps whose preceding step is claimed, or whose job is being written
        self._written: Counter[str] = Counter()  # the latter

    @property
    def topics(self) -> set[str]:
        """Those that have, or had, steps."""
        return {*self.ready, *self.waiting}

    @property
    def unclaimed(self) -> int:
        """All steps that nobody holds."""
        return self.ready.total() + self.waiting.total()

    def restart(self, census: Census) -> None:
        """This is what there is, beside what is being written."""
        self.ready, self.waiting = Counter(census.ready), Counter(census.waiting)
        self.coming = census.coming + self._written

    def add(self, effects: Effects) -> None:
        """A batch was committed."""
        self.ready.update(effects.ready)
        self.waiting.update(effects.waiting)
        self.finished.update(effects.finished)
        self.coming.update(effects.coming)

    def write(self, steps: Counter[str], by: int) -> None:
        """Jobs with these first steps are being written (+1), or no longer (-1)."""
        for topic, number in steps.items():
            self.coming[topic] += by * number
            self._written[topic] += by * number
