"""A Postgres server of our own, from the installed binaries: on a Unix socket in a folder that goes with it."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg


class PostgresServer:
    """Run by `postgres` or `nobody` where the tests run as root, which the server refuses."""

    def __init__(self) -> None:
        self._bin = find_binaries()
        self._user = _unprivileged()
        self._folder = Path(tempfile.mkdtemp(prefix="heliograph-postgres-"))
        self._data = self._folder / "data"
        self._numbers = itertools.count()
        if self._user is not None:
            os.chown(self._folder, self._user, -1)
        self._run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync")
        self.url = f"postgresql:///postgres?host={self._folder}&user=postgres"

    def start(self, *, fsync: bool = False) -> None:
        options = f"-k {self._folder} -c listen_addresses='' -c fsync={'on' if fsync else 'off'}"
        self._run("pg_ctl", "start", "--wait", f"--log={self._folder / 'log'}", f"--options={options}")

    def kill(self) -> None:
        """Stop at once, as a crash would."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    def new_schema(self) -> str:
        return f"store_{next(self._numbers)}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"database_{next(self._numbers)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url.replace("/postgres?", f"/{name}?")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments, f"--pgdata={self._data}"]
        done = subprocess.run(
            command, user=self._user, extra_groups=None if self._user is None else [], cwd=self._folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stderr}"


def find_binaries() -> Path:
    """The folder of `initdb`: Debian keeps it off the PATH."""
    found = [Path(path).parent for path in filter(None, [shutil.which("initdb")])]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    folder = next((folder for folder in found if (folder / "pg_ctl").exists()), None)
    if folder is None:
        raise FileNotFoundError("Postgres' server is missing: `make setup` installs it (Debian: postgresql)")
    return folder


def _unprivileged() -> int | None:
    """Who runs the server; None: whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    users = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    return users.get("postgres") or users["nobody"]
