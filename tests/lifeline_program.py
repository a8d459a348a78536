"""`python -m tests.lifeline_program CHILD`: a parent whose child is to end with it; prints the child's pid."""

import multiprocessing
import os
import signal
import sys
from time import sleep

from deployments.engines.vllm.lifeline import end_with_parent


def early() -> None:
    """Asks for it while its parent lives."""
    end_with_parent()
    print(os.getpid(), flush=True)  # noqa: T201
    signal.pause()


def late() -> None:
    """Asks for it when its parent is gone."""
    parent = os.getppid()
    print(os.getpid(), flush=True)  # noqa: T201
    while os.getppid() == parent:
        sleep(0.01)
    end_with_parent()
    signal.pause()


CHILDREN = {child.__name__: child for child in (early, late)}

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=CHILDREN[sys.argv[1]]).start()
    signal.pause()
