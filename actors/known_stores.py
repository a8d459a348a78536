"""Which stores a Ray cluster has opened, so that none of them is taken for a new one when its folder is gone."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put

from actors.stores import ForeignStoreError, StoreUnavailableError, marker_file

log = logging.getLogger("heliograph")


@contextmanager
def same_store(folder: Path, name: str) -> Iterator[None]:
    """Around the opening of a store: what this cluster has opened before must still be there, and be the same.

    The store's UUID is kept in Ray's internal key-value store as well. Raises ForeignStoreError. A known store that
    does not answer ends the process, so that Ray starts it again: an actor whose constructor raises stays dead.
    """
    key, marker = f"heliograph:{name}".encode(), marker_file(folder, name)
    expected = _internal_kv_get(key)
    if expected is not None and not marker.exists():
        raise ForeignStoreError(f"{marker} is gone")
    try:
        yield
    except StoreUnavailableError:
        if expected is None:
            raise
        log.critical("the store does not answer; this process ends and is started again", exc_info=True)
        os._exit(1)
    uuid = marker.read_text().strip().encode()
    if expected not in (None, uuid):
        raise ForeignStoreError(f"{name} in {folder} is another store than {expected.decode()}")
    _internal_kv_put(key, uuid)
