"""Which processors the services keep to, and that every process moves there but one that is bound elsewhere."""

import json
import os
import subprocess
import sys

import pytest

from configs.profiles import load_profile
from configs.settings import ENGINE_CORES
from heliograph.cores import note_engine_cores, services_cores

CPU_MODEL, SCRIPTED = load_profile("smollm2-135m-instruct"), load_profile("scripted")
# In a process of its own, as it moves everything below it.
MOVES = """
import json, os, subprocess
from heliograph.cores import leave_cores_to_engines

free, bound = (subprocess.Popen(["sleep", "60"]) for _ in range(2))
os.sched_setaffinity(bound.pid, [min(os.sched_getaffinity(0))])
leave_cores_to_engines()
print(json.dumps([sorted(os.sched_getaffinity(pid)) for pid in (0, free.pid, bound.pid)]))
free.kill()
bound.kill()
"""


def test_the_services_keep_to_the_core_that_vllm_spares() -> None:
    assert services_cores({cpu: (0, f"core {cpu}") for cpu in range(4)}, 1) == {3}
    assert services_cores({cpu: (0, f"core {cpu}") for cpu in range(4)}, 2) == {2, 3}


def test_the_second_thread_of_every_core_is_for_the_services() -> None:
    threads = {cpu: (0, f"core {cpu % 4}") for cpu in range(8)}
    assert services_cores(threads, 1) == {0, 1, 2, 3, 7}


def test_another_node_is_for_the_services_whole() -> None:
    places = {cpu: (cpu // 4, f"core {cpu}") for cpu in range(8)}
    assert services_cores(places, 1) == {3, 4, 5, 6, 7}


def test_one_core_is_shared() -> None:
    assert services_cores({5: (0, "core 5")}, 1) == {5}


def test_only_an_engine_that_computes_here_is_made_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE_CORES, "")
    note_engine_cores([SCRIPTED, CPU_MODEL.model_copy(update={"num_gpus": 1})])
    assert os.environ[ENGINE_CORES] == ""
    note_engine_cores([SCRIPTED, CPU_MODEL])
    assert os.environ[ENGINE_CORES] == ",".join(map(str, sorted(os.sched_getaffinity(0))))


def test_who_has_bound_vllm_to_processors_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE_CORES, "")
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "0")
    note_engine_cores([CPU_MODEL])
    assert os.environ[ENGINE_CORES] == ""


def test_a_process_below_moves_unless_it_is_bound() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    assert len(allowed) > 1, "this needs two processors"
    environment = {**os.environ, ENGINE_CORES: ",".join(map(str, allowed))}
    ran = subprocess.run([sys.executable, "-c", MOVES], env=environment, capture_output=True, check=True)
    this, free, bound = json.loads(ran.stdout)
    assert this == free
    assert set(free) < set(allowed)
    assert bound == [allowed[0]]
    assert allowed[0] not in free
