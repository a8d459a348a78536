"""What the journal has decided and another must do: rows of the outbox, written in the deciding transaction.

An errand is run after the commit, and is gone only once it was run. So it may be run twice; every kind must bear it.
"""

from enum import StrEnum
from typing import NamedTuple


class ErrandKind(StrEnum):
    """What is to be done."""

    FORGET_LOG = "forget_log"  # of the job that is the subject
    UNLINK_BLOB = "unlink_blob"  # the file of the hash that is the subject
    REMOVE_OBJECT = "remove_object"  # the content of the client's file that is the subject


class Errand(NamedTuple):
    """One row of the outbox. `id` is the store's, 0 while it has none."""

    kind: ErrandKind
    tenant: str
    subject: str
    id: int = 0
