"""Ray nodes with the platform on them: `kill TITLE` on stdin kills one on which a process of that title runs.

`kill` alone kills the last one; the first, where what remembers is, never dies. `add` puts another in its place.

Arguments: port, data folder, config file, how many nodes, and the port of Ray's dashboard, which may be left out.
"""

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from heliograph.haproxy import ingress
from heliograph.local_ray import end_descendants, prepare
from tests.servers import title_of, until

WHOLE_S = 200.0
NODE = {"num_cpus": 2}


def main() -> None:
    """Serve until stdin ends."""
    port, data, config, nodes = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    dashboard = int(sys.argv[5]) if len(sys.argv) > 5 else None
    document = yaml.safe_load(config.read_text())
    document["http_options"]["port"] = port
    next(a for a in document["applications"] if a["name"] == "plane")["args"]["data"] = data
    with ingress() as environment:
        prepare({**environment, "RAY_AUTH_MODE": "disabled"})
        from ray._common.utils import reset_ray_address  # noqa: PLC0415 - reads its variables now

        try:
            _serve(document, nodes, dashboard)
        finally:
            end_descendants()
            reset_ray_address()  # else every later `ray.init()` on this machine looks for what is no more


def _serve(document: dict[str, Any], nodes: int, dashboard: int | None) -> None:
    import ray  # noqa: PLC0415 - reads its variables now
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - as above

    from heliograph import applications  # noqa: PLC0415 - as above

    head = {**NODE, "resources": {"journal": 1}, "include_dashboard": bool(dashboard), "dashboard_port": dashboard}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    mortal = [cluster.add_node(**NODE) for _ in range(nodes - 1)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="warning")
    for deploy in (applications.deploy, applications.deploy_others):
        deploy(document, lambda line: print(line, flush=True))
    workers = _workers_of(document)
    _await_workers(workers)
    print("ready", flush=True)
    for line in sys.stdin:
        order, _, title = line.strip().partition(" ")
        if order == "kill":
            dead = next(node for node in reversed(mortal) if _runs(node, title))
            print(f"killed {_kill(dead)}", flush=True)
        else:
            with suppress(Exception):
                cluster.remove_node(dead, allow_graceful=False)
            mortal.remove(dead)
            mortal.append(cluster.add_node(**NODE))
            _await_workers(workers)
            print("whole", flush=True)


def _kill(node: Any) -> float:
    """kill -9 of all that runs on the node; when that was."""
    family = _family(node)
    died_at = time.time()
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return died_at


def _runs(node: Any, title: str) -> bool:
    return any(title in title_of(process) for process in _family(node))


def _family(node: Any) -> list[psutil.Process]:
    """All processes of the node."""
    roots = [psutil.Process(info.process.pid) for infos in node.all_processes.values() for info in infos]
    return [process for root in roots for process in (root, *root.children(recursive=True))]


def _workers_of(document: dict[str, Any]) -> dict[str, int]:
    """How many workers of a topic there always are."""
    numbers = {a["name"]: (a.get("deployments") or [{}])[0].get("num_replicas", 1) for a in document["applications"]}
    scaled = {a["name"]: a["args"]["replicas"]["least"] for a in document["applications"] if "replicas" in a["args"]}
    workers = {name: number for name, number in (numbers | scaled).items() if name.startswith(("prompt", "inference"))}
    return {f"topic.{name}": number for name, number in workers.items()}


def _await_workers(workers: dict[str, int]) -> None:
    """Returns when so many of each topic have registered."""
    until(lambda: _whole(workers), seconds=WHOLE_S, what=f"workers: {workers}")


def _whole(workers: dict[str, int]) -> bool:
    import ray  # noqa: PLC0415 - see above

    try:
        journal = ray.get_actor("journal-0", namespace="heliograph")
        depths = ray.get(journal.depth.remote(), timeout=10)
    except (ray.exceptions.RayError, ValueError):
        return False
    there = {topic: depth.workers for topic, depth in depths.items()}
    return all(there.get(topic, 0) >= number for topic, number in workers.items())


if __name__ == "__main__":
    main()
