"""What every durable store has in common: its statements by name, and how it refuses to work."""

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


class ForeignStoreError(RuntimeError):
    """This is not the store that the data folder had: empty, replaced, or another's."""


class StaleEpochError(RuntimeError):
    """A newer writer has taken over this store; this one must end."""


def load_queries(path: Path) -> dict[str, str]:
    """The statements of a .sql file by the name in the comment `-- name: …` above each."""
    parts = _NAME.split(path.read_text())
    return {name: text.strip().rstrip(";") for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def marker_file(folder: Path, name: str) -> Path:
    """The text file in the data folder that says which store belongs to it."""
    return folder / f"{name}.uuid"
