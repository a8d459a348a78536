"""Bars of what `make bench-topologies` found: `python -m benchmarks.peers.plots FIGURES FOLDER`, where pygal is."""

import json
import sys
from pathlib import Path

import pygal

PLOTS = {  # by file: title, and figures by label
    "latency": (
        "Median and 99th percentile, ms",
        {
            "idle, p50": "idle_p50_ms",
            "idle, p99": "idle_p99_ms",
            "80 %, p50": "loaded_p50_ms",
            "80 %, p99": "loaded_p99_ms",
        },
    ),
    "throughput": ("Jobs per second at the most", {"jobs per second": "jobs_per_s"}),
    "recovery": (
        "Seconds until work goes on",
        {"start-up": "start_s", "burst done": "drain_s", "worker killed": "recovery_s"},
    ),
    "memory": ("MiB of all processes", {"at rest": "memory_mib", "after the load": "memory_loaded_mib"}),
}


def draw(figures: dict[str, dict[str, list[float]]], folder: Path) -> None:
    """A file for each plot; a bar is a median."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (title, fields) in PLOTS.items():
        chart = pygal.Bar(title=title, js=(), disable_xml_declaration=True, width=800, height=400, print_values=True)
        chart.x_labels = list(fields)
        for topology, spreads in figures.items():
            chart.add(topology, [spreads[field][0] for field in fields.values()])
        chart.render_to_file(str(folder / f"topologies-{name}.svg"))


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
