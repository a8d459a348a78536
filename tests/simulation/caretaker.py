"""The journal's housekeeping in a simulated world: contents of files are on the disk of the world."""

from collections.abc import Sequence
from typing import Any

from actors.housekeeping import Housekeeping
from actors.journal.errands import Errand
from actors.stores import StoreUnavailableError


class Caretaker(Housekeeping):
    """The real one, but for where it finds these."""

    def __init__(self, *parts: Any) -> None:
        *others, self._objects = parts
        super().__init__(*others)

    async def _remove_objects(self, errands: Sequence[Errand]) -> list[bool]:
        return [await self._removed(errand) for errand in errands]

    async def _removed(self, errand: Errand) -> bool:
        try:
            await self._objects.remove(errand.tenant, errand.subject)
        except StoreUnavailableError:
            return False
        return True
