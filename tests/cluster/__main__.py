"""A real cluster from `ray up` to `ray down`, on one machine: `make ray-up`. Needs Linux, root, sshd, rsync, and
in uv's cache what `make setup` installs.

`ray up` and `ray down` stop every Ray that they see, and Ray's ports are fixed. So this program runs itself again where
it sees no process of the machine's, in a network without any other machine; see `nodes.py`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cluster.nodes import Machines
from tests.cluster.trial import trial

ROOT = Path(__file__).parents[2]
INSIDE = "--inside"
# Whoever ends this program, by whatever signal, ends the namespaces.
APART = [
    "setpriv",
    "--pdeathsig",
    "KILL",
    "unshare",
    "--pid",
    "--net",
    "--mount",
    "--mount-proc",
    "--fork",
    "--kill-child",
]
PROGRAMS = ("setpriv", "unshare", "ip", "rsync", "ssh", "ssh-keygen", "sshd")


def main() -> None:
    """Exit code 0 where the job has completed and nothing is left."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if INSIDE in sys.argv:
        folder = Path(sys.argv[-1])
        with Machines(folder, count=3) as machines:
            trial(machines, ROOT, folder)
        return
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing or os.getuid() != 0:
        sys.exit(f"make ray-up: needs root, and the programs {', '.join(PROGRAMS)}; missing: {missing}")
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ray-up-", dir=ROOT / "build") as name:
        command = [*APART, sys.executable, "-m", "tests.cluster", INSIDE, name]
        sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
