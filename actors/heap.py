"""The garbage collector of a process that has started: it leaves alone what stays for ever, and comes less often.

Ray, Serve and an engine are some hundred thousand objects; what a batch of jobs leaves behind goes by reference counts.
"""

import gc

COLLECT_AFTER = 10_000  # new containers that are still there; Python's own default is 700


def settle_heap() -> None:
    """Call it once, when what the process needs is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
