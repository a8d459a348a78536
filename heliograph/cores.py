"""Which processors of this machine are for engines that compute on it, and which for everything else.

vLLM binds a thread to one logical processor of each physical core of a NUMA node, but for the last
`VLLM_CPU_NUM_OF_RESERVED_CPU` (1) of them (`vllm/utils/ompmultiprocessing.py`). Whatever else runs there holds up a
whole step of the engine, so once all is started, the rest moves to the other processors. Starting takes them all.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from configs.profiles import ModelProfile
from configs.settings import ENGINE_CORES, engine_cores, spare_cores

_TOPOLOGY = Path("/sys/devices/system/cpu")
Place = tuple[int, str]  # the NUMA node, and a name of the physical core


def note_engine_cores(profiles: Iterable[ModelProfile]) -> None:
    """Let an engine that is started again, by a process that has moved, find its processors."""
    if spare_cores() and any(profile.engine == "vllm" and not profile.num_gpus for profile in profiles):
        os.environ[ENGINE_CORES] = ",".join(map(str, sorted(os.sched_getaffinity(0))))


def leave_cores_to_engines() -> None:
    """Move this process and all below it, but for what has bound itself. What they start later goes with them."""
    allowed = engine_cores()
    if not allowed:
        return
    ours = services_cores({cpu: _place(cpu) for cpu in allowed}, spare_cores())
    this = psutil.Process()
    for process in [this, *this.children(recursive=True)]:
        with suppress(psutil.Error, OSError):  # it, or one of its threads, has just ended
            if os.sched_getaffinity(process.pid) == allowed:
                for thread in process.threads():
                    os.sched_setaffinity(thread.id, ours)


def services_cores(places: Mapping[int, Place], spare: int) -> set[int]:
    """The processors that vLLM leaves free, all where it has too few of its own. `places` is by logical processor."""
    node = min(node for node, _ in places.values())
    last_of_core = {core: cpu for cpu, (of, core) in sorted(places.items()) if of == node}
    bound = sorted(last_of_core.values())[:-spare]
    return set(places) - set(bound)


def _place(cpu: int) -> Place:
    folder = _TOPOLOGY / f"cpu{cpu}"
    nodes = [int(path.name.removeprefix("node")) for path in folder.glob("node[0-9]*")]
    siblings = folder / "topology" / "thread_siblings_list"
    return min(nodes, default=0), siblings.read_text() if siblings.exists() else str(cpu)
