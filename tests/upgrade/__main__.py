"""Takes a data folder from an older commit to this one, while there is work: `make upgrade FROM=COMMIT`.

The old code is the commit's own tree, run as a server of its own. It must go on completing jobs while the new code
migrates its stores, and again after the new code has opened them; then the new code finishes the rest.
"""

import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from tests.postgres import PostgresServer
from tests.upgrade.upgrade import Upgrade

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Once on SQLite, and once on Postgres where the old code knows it."""
    commit = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "old"
        _unpack(commit, old)
        Upgrade(old, Path(folder) / "sqlite").run()
        if not (old / "actors" / "postgres.py").exists():
            print(f"{commit} knew no Postgres")  # noqa: T201 - for whoever runs it
            return
        server = PostgresServer()
        server.start()
        try:
            Upgrade(old, Path(folder) / "postgres", database=server.new_database()).run()
        finally:
            server.remove()


def _unpack(commit: str, folder: Path) -> None:
    archive = subprocess.run(["/usr/bin/env", "git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")


if __name__ == "__main__":
    main()
