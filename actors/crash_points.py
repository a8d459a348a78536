"""Named places at which a fault test may kill the process; `make fault` walks through all of them.

Without HELIOGRAPH_CRASH_POINTS they are nothing. It names a folder: the process that passes a point of which there is
a file in it takes the file away, which only one can do, and dies at once by SIGKILL.
"""

import os
import signal
from pathlib import Path

VARIABLE = "HELIOGRAPH_CRASH_POINTS"
_FOLDER = os.environ.get(VARIABLE, "")


def crash_point(name: str) -> None:
    """A place at which this process may die. `name` is SERVICE.DEED.before or .after: of what the deed commits."""
    if _FOLDER:
        die_if_asked(Path(_FOLDER) / name)


def die_if_asked(order: Path) -> None:
    """Die where the file is there; it goes by the suffix `.died` from then on, and was last changed at the death."""
    try:
        order.rename(order.with_name(f"{order.name}.died"))
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
