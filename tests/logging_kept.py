"""Logging is the process's, so who configures it in a test puts it back."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from actors.telemetry.logs import LOGGER


@contextmanager
def kept_logging() -> Iterator[None]:
    log = logging.getLogger(LOGGER)
    handlers, level, propagate = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:], log.propagate = handlers, propagate
    log.setLevel(level)
