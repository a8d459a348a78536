"""Lists and claims on their way between the processes of Ray, as bytes, which Ray hands on as they are.

All else goes through its cloudpickle, which asks in Python about every object: C alone pickles the same in half the
time. It knows no handles of actors and no classes made at run time, which these have not.
"""

import pickle
from typing import Any

from pipelines.commands import Claim


def packed(value: Any) -> Any:
    """A list or a claim as bytes; anything else as it is."""
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL) if type(value) in (list, Claim) else value


def unpacked(value: Any) -> Any:
    """What was packed. No shared actor takes or gives bytes themselves."""
    return pickle.loads(value) if isinstance(value, bytes) else value  # noqa: S301 - our own
