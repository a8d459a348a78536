"""A cluster of two nodes on this machine, of which all but the first can die as a whole."""

import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.program import Program
from tests.fault.matrix.cells import NODE, Cell
from tests.fault.matrix.clusters import MEND_S, ServedCluster, ready
from tests.servers import until

START_S = 240.0
NODES = 2


class NodeCluster(ServedCluster):
    """One replica of every worker on each node; what remembers is on the first."""

    nodes: Sequence[int] = (NODES,)  # how many, and the port of Ray's dashboard where there is one
    crowd = 1  # so many replicas of a service may be on a node

    def __init__(self, folder: Path, config: dict[str, Any], model: str) -> None:
        config["proxy_location"] = "HeadOnly"
        for application in config["applications"]:
            service = application["name"].partition(".")[0]
            if service in ("inference", "prompting", "ingestion"):
                spread = {"name": service, "max_replicas_per_node": self.crowd}
                application["deployments"] = [{**(application.get("deployments") or [{}])[0], **spread}]
        super().__init__(folder, config, model)
        self._config = config

    def start(self) -> None:
        arguments = [self.server.port, self.server.data, self.server.config, *self.nodes]
        self._program = Program([sys.executable, "-m", "tests.fault.matrix.node_program", *map(str, arguments)])
        self._program.line("ready", within_s=START_S)

    def stop(self) -> None:
        self._program.stop()

    def strike(self, cell: Cell, chance: random.Random) -> float:  # noqa: ARG002 - the moment was drawn before
        assert cell.victim == NODE
        return self.kill()

    def kill(self, title: str = "") -> float:
        """Let a node die on which a process of that title runs; when it did."""
        self._program.say(f"kill {title}")
        return float(self._program.line("killed ", within_s=30))

    def mend(self, cell: Cell) -> None:  # noqa: ARG002 - there is only one way
        self._program.say("add")
        self._program.line("whole", within_s=MEND_S)
        until(lambda: ready(self.url), seconds=MEND_S, what="readiness")
