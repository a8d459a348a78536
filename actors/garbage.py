"""How often Python looks for cycles of garbage: seldom, for nearly all that a batch holds at once is none.

By default every 700 new objects are looked through, and all of a process now and then. Of a job that comes with a
thousand others that was a fifth of its time.
"""

import gc

NEW_OBJECTS = 50_000  # beyond those that were freed, from one look to the next


def collect_seldom() -> None:
    """For a process that serves. What it has loaded so far is left out of all later looks."""
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 10, 10)
