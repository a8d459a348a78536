"""Puts what `make bench-topologies` found into docs/topologies.md: a table between two marks, and plots beside it.

`python -m benchmarks.topologies_page` writes the last figures again, from build/topologies.json.
"""

import json
import subprocess
from pathlib import Path

from benchmarks.durable_sides import PEERS_BIN
from benchmarks.program import REPOSITORY
from benchmarks.ratios import Spread, short
from benchmarks.topology import TOPOLOGIES

PAGE = REPOSITORY / "docs" / "topologies.md"
PLOTS = REPOSITORY / "docs" / "plots"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"

Spreads = dict[str, list[float]]  # median, least and greatest by figure
ROWS = {  # by label, the figures of a row
    "start-up, s": ["start_s"],
    "memory at rest, and after the load, MiB (PSS)": ["memory_mib", "memory_loaded_mib"],
    "idle: p50 and p99, ms": ["idle_p50_ms", "idle_p99_ms"],
    "jobs per second at the most": ["jobs_per_s"],
    "at 80 % of that: p50 and p99, ms": ["loaded_p50_ms", "loaded_p99_ms"],
    "errors then": ["loaded_errors"],
    "ten times that for 2 s: errors, lost": ["burst_errors", "burst_lost"],
    "and seconds until all of it is done": ["drain_s"],
    "`kill -9` of a worker: s until the next job is done": ["recovery_s"],
    "errors, lost": ["recovery_errors", "recovery_lost"],
}


def table(figures: dict[str, Spreads]) -> list[str]:
    """Its lines, in Markdown: median (least to greatest)."""
    head = ["", *(f"`{name}`" for name in figures)]
    rows = [[label, *(_cell(each, fields) for each in figures.values())] for label, fields in ROWS.items()]
    facts = ["redeployed when one service changes", *(TOPOLOGIES[name].redeployed for name in figures)]
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows, facts]]


def between_marks(page: str, lines: list[str]) -> str:
    """The page with these lines between its marks. Raises ValueError where it lacks one."""
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError("the page has no marks")
    return "\n".join([before + BEGIN, "", *lines, "", END]) + after


def write(file: Path) -> None:
    """Table and plots of the figures in this file. Raises CalledProcessError where they cannot be drawn."""
    PAGE.write_text(between_marks(PAGE.read_text(), table(json.loads(file.read_text()))))
    command = [str(PEERS_BIN / "python"), "-m", "benchmarks.peers.plots", str(file), str(PLOTS)]
    subprocess.run(command, cwd=REPOSITORY, check=True)


def _cell(spreads: Spreads, fields: list[str]) -> str:
    return ", ".join(_number(Spread(*spreads[field])) for field in fields)


def _number(figure: Spread) -> str:
    return short(figure.median) if figure.least == figure.greatest else str(figure)


if __name__ == "__main__":
    write(REPOSITORY / "build" / "topologies.json")
