"""Runs cells and prints their figures: a line each, the table of docs/faults.md, and at last one line of JSON."""

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.fault.matrix import peer
from tests.fault.matrix.cells import Cell, Kind, chosen
from tests.fault.matrix.clusters import cluster
from tests.fault.matrix.judge import Finding, summary, table
from tests.fault.matrix.trial import run


def run_all(cells: Iterable[Cell], folder: Path) -> list[Finding]:
    """The findings, cell by cell; the cells of one kind share a cluster."""
    findings = []
    for kind, group in itertools.groupby(cells, key=lambda cell: cell.kind):
        print(f"starting the cluster `{kind}`", flush=True)
        if kind is Kind.PEER:
            print(f"Ray Serve's asynchronous inference: {json.dumps(peer.run(folder / kind, *group))}", flush=True)
            continue
        with cluster(kind, folder / kind) as made:
            for cell in group:
                findings.append(run(cell, made))
                print(table(findings[-1:]).splitlines()[-1], flush=True)
    return findings


def main() -> None:
    """Exit code 1 where anything was lost, decided twice, stuck or torn."""
    parser = argparse.ArgumentParser(prog="make fault")
    parser.add_argument("--cells", default="all", help="`all`, `smoke`, or names with wildcards")
    cells = chosen(parser.parse_args().cells)
    with tempfile.TemporaryDirectory(prefix="heliograph-fault-") as folder:
        findings = run_all(cells, Path(folder))
    print(f"\n{table(findings)}\n")
    print(json.dumps(summary(findings)))
    sys.exit(not all(finding.clean for finding in findings))


if __name__ == "__main__":
    main()
