"""The journal's housekeeping in a simulated world: contents of files are on the disk of the world."""

from collections.abc import Sequence

from actors.housekeeping import Housekeeping
from actors.journal.errands import Errand
from actors.journal.journal import Journal
from actors.token_log.protocol import TokenLogApi
from pipelines.ports import Ports


class Caretaker(Housekeeping):
    """The real one, but for where the contents are. Removing one never fails: it would be tried again a day later."""

    def __init__(self, journal: Journal, token_log: TokenLogApi, ports: Ports, contents: dict[str, bytes]) -> None:
        super().__init__(journal, token_log, ports)
        self._contents = contents

    async def _remove_objects(self, errands: Sequence[Errand]) -> list[bool]:
        for errand in errands:
            self._contents.pop(errand.subject, None)
        return [True] * len(errands)
