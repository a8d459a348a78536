"""What is shown: a cluster goes up as its file says, completes a job, loses a worker to `deploy/drain.sh` in the middle
of another, and goes down without a rest.
"""

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from tests.cluster.nodes import Machines
from tests.servers import TERMINAL, until

RAY = str(Path(sys.executable).parent / "ray")
MINUTES = 60.0
DRAIN_S = 180
OF_RAY = ("raylet", "gcs_server", "haproxy")


def trial(machines: Machines, root: Path, folder: Path) -> None:
    """Raises AssertionError or CalledProcessError where something is not as it should be."""
    clock = [time.monotonic()]
    cluster = Cluster(machines, root, folder)
    cluster.ray("up", "--yes", "--no-config-cache")
    until(lambda: len(_raylets()) == len(machines.addresses), seconds=20 * MINUTES, what="the workers")
    clock.append(time.monotonic())
    cluster.ray("rsync-up", arguments=[str(cluster.write_serve_config()), "scripted.yaml"])
    cluster.ray("exec", arguments=["serve deploy scripted.yaml"])
    with httpx.Client(base_url=f"http://{machines.addresses[0]}:8000", timeout=30, trust_env=False) as http:
        until(lambda: _is_ready(http), seconds=10 * MINUTES, what="the services")
        _await_completion(http, _submit(http))
        clock.append(time.monotonic())
        _drain(machines, http)
    clock.append(time.monotonic())
    cluster.ray("down", "--yes")
    until(lambda: not _left(), seconds=3 * MINUTES, what="an empty machine")
    clock.append(time.monotonic())
    spans = (round(end - start, 1) for start, end in itertools.pairwise(clock))
    print(json.dumps(dict(zip(("up_s", "job_s", "drain_s", "down_s"), spans, strict=True))))  # noqa: T201


def _drain(machines: Machines, http: httpx.Client) -> None:
    """The worker with most replicas goes, as before it is switched off, while a job is under way."""
    count = "pgrep -fc '^ray::ServeReplica' || true"
    workers = machines.addresses[1:]
    leaving = max(workers, key=lambda worker: int(machines.shell(worker, count).splitlines()[-1]))
    slow = {"text": "one two three four five six seven eight", "delay_ms": 500}
    job = _submit(http, metadata={"scripted": json.dumps(slow)}, max_output_tokens=1000)
    machines.shell(leaving, f"~/heliograph/deploy/drain.sh {DRAIN_S}")
    assert machines.shell(leaving, count).splitlines()[-1] == "0"
    _await_completion(http, job)
    _await_completion(http, _submit(http))


class Cluster:
    """`configs/clusters/local.yaml` with these machines filled in, and Ray's commands on it."""

    def __init__(self, machines: Machines, root: Path, folder: Path) -> None:
        self._root, self._folder = root, folder
        self._token = folder / "auth_token"
        self._file = folder / "cluster.yaml"
        head, *workers = machines.addresses
        config = yaml.safe_load((root / "configs" / "clusters" / "local.yaml").read_text())
        config["provider"] |= {"head_ip": head, "worker_ips": workers}
        config["auth"] = {"ssh_user": "root", "ssh_private_key": str(machines.key)}
        config["file_mounts"]["~/.ray/auth_token"] = str(self._token)
        self._file.write_text(yaml.safe_dump(config, sort_keys=False))
        home = folder / "driver" / "home"
        home.mkdir()
        self._environment = os.environ | {"HOME": str(home), "RAY_USAGE_STATS_ENABLED": "0"}
        generate = [RAY, "get-auth-token", "--generate"]
        done = subprocess.run(generate, env=self._environment, capture_output=True, text=True, check=True)
        self._token.write_text(done.stdout.strip())
        self._token.chmod(0o600)

    def ray(self, command: str, *options: str, arguments: list[str] | None = None) -> None:
        """As a user runs it, from the repository's folder."""
        line = [RAY, command, *options, str(self._file), *(arguments or [])]
        subprocess.run(line, cwd=self._root, env=self._environment, check=True)

    def write_serve_config(self) -> Path:
        """`configs/scripted.yaml` for two nodes: a folder that both have, and an address that others reach."""
        document: dict[str, Any] = yaml.safe_load((self._root / "configs" / "scripted.yaml").read_text())
        document["http_options"]["host"] = "0.0.0.0"  # noqa: S104 - the network is our own
        (plane,) = (each for each in document["applications"] if each["name"] == "plane")
        plane["args"]["data"] = str(self._folder / "data")
        path = self._folder / "scripted.yaml"
        path.write_text(yaml.safe_dump(document))
        return path


def _submit(http: httpx.Client, **more: Any) -> str:
    reply = http.post("/async-generate", json={"model": "scripted", "prompt": "Say something.", **more})
    assert reply.status_code == 202, reply.text
    return str(reply.json()["job_id"])


def _await_completion(http: httpx.Client, job_id: str) -> None:
    path = f"/jobs/{job_id}"
    until(lambda: http.get(path).json().get("status") in TERMINAL, seconds=2 * MINUTES, what="the job's end")
    job = http.get(path).json()
    assert job["status"] == "completed", job
    response = http.get(f"/v1/responses/{job_id}").json()
    assert response["output"][0]["content"][0]["text"], response


def _is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/ready").status_code == 200
    except httpx.TransportError:
        return False


def _raylets() -> list[psutil.Process]:
    return [process for process in _left() if process.info["name"] == "raylet"]


def _left() -> list[psutil.Process]:
    """Processes of Ray; all that can be seen here are the cluster's."""
    return [process for process in psutil.process_iter(["name"]) if process.info["name"] in OF_RAY]
