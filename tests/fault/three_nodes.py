"""Three Ray nodes on this machine with a Postgres journal, whose services are deployed as an operator does it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from tests.fault.matrix.cells import Kind
from tests.fault.matrix.clusters import config_of
from tests.fault.matrix.nodes import NodeCluster
from tests.fault.matrix.rows import Rows, postgres_rows
from tests.postgres import PostgresServer
from tests.servers import free_port, title_of, until

NODES = 3
SERVICES = ("plane", "prompting", "inference", "history", "ingestion")
OPTIONS = {"ingestion": {"num_replicas": NODES}, "inference": {"max_surge_percent": 100}}
DELAYS = {"upscale_delay_s": 0, "downscale_delay_s": 2, "downscale_to_zero_delay_s": 2, "finish_s": 2}
SCALING = {"least": 0, "most": 3, **DELAYS}
DEPLOY_S = 240.0
# Half a minute by default, which Serve gives load balancers to notice that a replica leaves.
DEREGISTER = "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S"


class ThreeNodes(NodeCluster):
    """The scripted wiring without knowledge. Inference has no replica until there is work, and three at the most."""

    crowd = 2  # for a new version beside the old one

    def __init__(self, folder: Path) -> None:
        os.environ[DEREGISTER] = "5"
        self.postgres = PostgresServer()
        self.postgres.start()
        self._database = self.postgres.new_database()
        self._dashboard = free_port()
        self.nodes = (NODES, self._dashboard)
        config, model = config_of(Kind.NODES)
        config["applications"] = [each for each in config["applications"] if _service(each) in SERVICES]
        for application in config["applications"]:
            if _service(application) in OPTIONS:
                application["deployments"] = [{"name": _service(application), **OPTIONS[_service(application)]}]
        self.arguments = {_service(each): each["args"] for each in config["applications"]}
        self.arguments["plane"]["database"] = self._database
        self.arguments["inference"]["replicas"] = SCALING
        self.arguments["ingestion"] |= {"encoder": "", "encoders": [], "on_demand": [model]}
        super().__init__(folder, config, model)
        self._file = folder / "deploy.yaml"

    def stop(self) -> None:
        del os.environ[DEREGISTER]
        super().stop()
        self.postgres.remove()

    @contextmanager
    def rows(self) -> Iterator[Rows]:
        with postgres_rows(self._database) as rows:
            yield rows

    def tree(self) -> list[psutil.Process]:
        return psutil.Process(self._program.pid).children(recursive=True)

    def processes(self, title: str) -> set[int]:
        """Those whose title has this."""
        return {process.pid for process in self.tree() if title in title_of(process)}

    def deploy(self, service: str, **changes: Any) -> None:
        """`serve deploy` with other arguments for one service; returns when none of its old replicas is left."""
        before = self.replicas(service)
        assert self.arguments[service] | changes != self.arguments[service]
        self.arguments[service] |= changes
        self._file.write_text(yaml.safe_dump(self._document()))
        command = [sys.executable, "-m", "ray.serve.scripts", "deploy", str(self._file), "-a", self._address()]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        until(lambda: self._rolled(service, before), seconds=DEPLOY_S, what=f"a new version of {service}")

    def replicas(self, service: str) -> dict[str, str]:
        """Of a service: what state each is in."""
        return _replicas(self._application(service), service)

    def _rolled(self, service: str, before: dict[str, str]) -> bool:
        application = self._application(service)
        assert application["status"] in ("RUNNING", "DEPLOYING"), application
        if application["status"] != "RUNNING" or service not in application["deployments"]:
            return False
        replicas = _replicas(application, service)
        new = [state for replica, state in replicas.items() if replica not in before]
        return len(new) == len(replicas) and set(new) <= {"RUNNING"}

    def _document(self) -> dict[str, Any]:
        options = self._config["http_options"] | {"port": self.server.port}
        self.arguments["plane"]["data"] = str(self.server.data)
        return {**self._config, "http_options": options}

    def _application(self, service: str) -> dict[str, Any]:
        """What Serve tells of it."""
        name = next(each["name"] for each in self._config["applications"] if _service(each) == service)
        reply = httpx.get(f"{self._address()}/api/serve/applications/", timeout=30)
        application: dict[str, Any] = reply.raise_for_status().json()["applications"][name]
        return application

    def _address(self) -> str:
        return f"http://127.0.0.1:{self._dashboard}"


def _replicas(application: dict[str, Any], service: str) -> dict[str, str]:
    replicas = application["deployments"].get(service, {"replicas": []})["replicas"]
    return {replica["replica_id"]: replica["state"] for replica in replicas}


def _service(application: dict[str, Any]) -> str:
    name: str = application["name"]
    return name.partition(".")[0]
