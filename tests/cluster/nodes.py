"""Machines to be made a cluster of: each a PID, mount and network namespace with an sshd, a home and temporary folders.

They share the machine's programs and uv's cache, from which `make setup` takes all packages, because their network, a
bridge, leads nowhere else. When the namespace that this runs in ends, so does everything in it.
"""

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Self

NETWORK = "10.77.0"
SHARED_TEMPORARY = ("ray", "haproxy-serve")  # where Ray keeps what is one per machine

SSHD = """\
HostKey {folder}/key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
"""
# What the machine's own image would bring along.
BASHRC = """\
export PATH={uv}:$PATH UV_CACHE_DIR={cache} UV_OFFLINE=1 PIP_FIND_LINKS={links!r}
"""


class Machines:
    """So many of them, from entering to leaving."""

    def __init__(self, folder: Path, *, count: int) -> None:
        self._folder = folder
        self.key = folder / "key"
        self.addresses = [f"{NETWORK}.{number}" for number in range(2, 2 + count)]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        run("mount", "-t", "tmpfs", "tmpfs", "/run")  # for the names of networks, and sshd's own folder
        Path("/run/sshd").mkdir()
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key))
        (self._folder / "sshd_config").write_text(SSHD.format(folder=self._folder))
        self._uv = _find_uv(self._folder.parent)
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "bridge", "type", "bridge")
        run("ip", "addr", "add", f"{NETWORK}.1/24", "dev", "bridge")
        run("ip", "link", "set", "bridge", "up")
        private_temporary(self._folder / "driver")
        for number, address in enumerate(self.addresses):
            self._plug(f"node-{number}", address)
            self._start(f"node-{number}")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def shell(self, address: str, command: str) -> str:
        """What a command says on a machine, in a shell as Ray's commands have it."""
        options = ["-q", "-i", str(self.key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        return run("ssh", *options, f"root@{address}", f"bash -ic {shlex.quote(command)}")

    def _plug(self, name: str, address: str) -> None:
        run("ip", "netns", "add", name)
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", name, "master", "bridge", "up")
        run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            run("ip", "-n", name, "link", "set", device, "up")
        # Ray asks which address a packet to the world would have; it sends none.
        run("ip", "-n", name, "route", "add", "default", "via", f"{NETWORK}.1")

    def _start(self, name: str) -> None:
        folder = self._folder / name
        home = folder / "home"
        home.mkdir(parents=True)
        links = os.environ.get("PIP_FIND_LINKS", "")
        (home / ".bashrc").write_text(BASHRC.format(uv=self._uv.parent, cache=_cache(self._uv), links=links))
        (folder / "passwd").write_text(f"root:x:0:0::{home}:/bin/bash\nsshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n")
        apart = ["ip", "netns", "exec", name, "unshare", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child"]
        sshd = [*apart, sys.executable, "-m", "tests.cluster.node", str(folder), str(self._folder / "sshd_config")]
        log = self._stack.enter_context((folder / "sshd.log").open("w"))
        process = subprocess.Popen(sshd, stdout=log, stderr=subprocess.STDOUT)
        self._stack.callback(process.wait, 30)
        self._stack.callback(process.kill)  # which ends all of it


def private_temporary(folder: Path) -> None:
    """Put folders of our own over those that Ray has once per machine."""
    for name in SHARED_TEMPORARY:
        own, shared = folder / name, Path("/tmp") / name  # noqa: S108 - Ray's own choice
        own.mkdir(parents=True, mode=0o777)
        shared.mkdir(exist_ok=True)
        run("mount", "--bind", str(own), str(shared))


def _find_uv(build: Path) -> Path:
    """As `setup/environment.sh` does."""
    found = shutil.which("uv", path=f"{os.environ['PATH']}:{build / 'uv' / 'bin'}")
    if not found:
        raise SystemExit("make ray-up: needs uv")
    return Path(found)


def _cache(uv: Path) -> str:
    return run(str(uv), "cache", "dir").strip()


def run(*command: str) -> str:
    """What a command says. Raises CalledProcessError."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
