"""Ends vLLM's engine core with the process that started it, whose memory and devices it would keep for ever.

vLLM 0.29 ends its workers with their engine core, but not that with its parent. Where Ray kills a replica it kills what
the replica has started, too, but whoever kills Ray's own daemons or the monolith leaves it behind.
"""

import ctypes
import multiprocessing
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # of prctl(2)


def end_with_parent() -> None:
    """Let the kernel (Linux) kill this process when the thread that started it by `multiprocessing` ends.

    Does nothing elsewhere, or where the engine core has no process of its own.
    """
    parent = multiprocessing.parent_process()
    if parent is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent.pid:  # it ended before
        os.kill(os.getpid(), signal.SIGKILL)
