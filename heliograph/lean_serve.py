"""Keeps pandas out of the processes of Ray Serve, each of which would load it when it starts.

Serve has an encoder for data frames that answers in JSON and nothing here returns; where pandas is not installed, it
goes without. Its import is two fifths of Serve's in processor time, and 70 MiB. Whoever else imports pandas gets it.
Import this before `ray.serve`; Ray does in its workers where RAY_preload_python_modules names it.
"""

import sys
from typing import Any

_ASKS = "ray.serve._private.utils"
_HAS_ASKED = "serve_encoders"  # what that module defines next


class _WithoutPandas:
    """Finds nothing. Raises ModuleNotFoundError where that module asks for pandas."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        del path, target
        asking = sys.modules.get(_ASKS) if name == "pandas" else None
        if asking is not None and not hasattr(asking, _HAS_ASKED):
            raise ModuleNotFoundError("Serve goes without pandas", name=name)


sys.meta_path.insert(0, _WithoutPandas)
