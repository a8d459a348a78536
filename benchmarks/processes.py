"""Who uses the processors: the time of a process and of all below it, by what they are."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress

import psutil


def processor_s(pid: int) -> dict[str, float]:
    """Seconds so far, of user and system. Processes of one name are one; those that have ended are not in it."""
    found: defaultdict[str, float] = defaultdict(float)
    this = psutil.Process(pid)
    for process in [this, *this.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found[name_of(process.cmdline(), process.name())] += times.user + times.system
    return dict(found)


def name_of(command: Sequence[str], program: str) -> str:
    """Ray's processes say what they do; of a replica the application is enough, of an actor its class."""
    title = command[0] if command else program
    if not title.startswith("ray::"):
        return " ".join(command[1:3]).rpartition("/")[2] if program.startswith("python") else program
    kind, _, rest = title.removeprefix("ray::").partition(":")
    return rest.partition(":")[0] if kind == "ServeReplica" else kind.partition(".")[0].strip()
