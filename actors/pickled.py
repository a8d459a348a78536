"""Lists on their way between the processes of Ray, whose cloudpickle asks in Python about every object in them.

C alone pickles the same in half the time, and nothing here needs more: no handles of actors, no classes made at run
time.
"""

import pickle
from typing import Any


class Pickled:
    """A list that arrives as the plain list."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def __reduce__(self) -> tuple[Any, ...]:
        return pickle.loads, (pickle.dumps(self.rows, pickle.HIGHEST_PROTOCOL),)


def pickled(value: Any) -> Any:
    """A list as Pickled; anything else as it is."""
    return Pickled(value) if type(value) is list else value
