import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from actors.telemetry.metrics import PrometheusMetrics, RecordedMetrics
from actors.telemetry.ray_metrics import RayMetrics
from actors.telemetry.table import PREFIX, TABLE, Kind
from pipelines.ports import Metrics

ROOT = Path(__file__).parents[2]
ROOMS = ("actors", "deployments", "heliograph", "pipelines")
KIND_OF = {"count": Kind.COUNTER, "observe": Kind.HISTOGRAM, "level": Kind.GAUGE}


class Use(NamedTuple):
    where: str
    kind: Kind
    name: str | None
    labels: set[str | None]


def uses() -> Iterator[Use]:
    """Every call `...metrics.count(...)` and its like in production code, but for the implementations."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(func=ast.Attribute(attr=verb, value=owner), args=[first, *_], keywords=keywords) if (
                        verb in KIND_OF and ast.unparse(owner).endswith("metrics")
                    ):
                        name = str(first.value) if isinstance(first, ast.Constant) else None
                        where = f"{path.relative_to(ROOT)}:{node.lineno}"
                        yield Use(where, KIND_OF[verb], name, {keyword.arg for keyword in keywords} - {"value"})


def test_every_name_in_the_code_is_in_the_table_with_its_kind_and_labels() -> None:
    wrong = [use for use in uses() if not _fits(use)]
    assert not wrong


def _fits(use: Use) -> bool:
    row = TABLE.get(use.name or "")
    return row is not None and row.kind is use.kind and set(row.labels) == use.labels


def test_only_histograms_have_buckets_and_they_rise() -> None:
    for row in TABLE.values():
        assert bool(row.buckets) == (row.kind is Kind.HISTOGRAM)
        assert list(row.buckets) == sorted(set(row.buckets))


def test_the_exposition_has_what_was_recorded() -> None:
    metrics = PrometheusMetrics()
    metrics.count("attempts", 3, step="render")
    metrics.level("queue_depth", 7, topic="t")
    metrics.observe("batch_size", 3, batch="claim")
    text = metrics.exposition().decode()
    assert 'heliograph_attempts_total{step="render"} 3.0' in text
    assert 'heliograph_queue_depth{topic="t"} 7.0' in text
    assert 'heliograph_batch_size_bucket{batch="claim",le="2.0"} 0.0' in text
    assert 'heliograph_batch_size_bucket{batch="claim",le="4.0"} 1.0' in text


def test_the_exposition_names_every_metric_of_the_table() -> None:
    text = PrometheusMetrics().exposition().decode()
    missing = [name for name in TABLE if f"# HELP {PREFIX}{name}" not in text]
    assert not missing


def test_two_label_sets_are_two_series() -> None:
    metrics = RecordedMetrics()
    metrics.count("attempts", step="a")
    metrics.count("attempts", 2, step="b")
    assert metrics.values[("attempts", ("step", "a"))] == [1]
    assert metrics.values[("attempts", ("step", "b"))] == [2]


@pytest.mark.parametrize("metrics", [PrometheusMetrics(), RecordedMetrics(), RayMetrics()])
def test_a_name_that_is_not_in_the_table_is_refused(metrics: Metrics) -> None:
    with pytest.raises(KeyError):
        metrics.count("no_such_thing")


@pytest.mark.parametrize("metrics", [PrometheusMetrics(), RecordedMetrics(), RayMetrics()])
def test_a_missing_label_is_refused(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match=r"label|tag"):
        metrics.level("queue_depth", 1)


def test_rays_counter_takes_an_addition_of_nothing() -> None:
    metrics = RayMetrics()
    metrics.count("attempts", 0, step="a")
    metrics.count("attempts", 2, step="a")


def test_every_row_of_the_table_is_recorded_somewhere() -> None:
    assert set(TABLE) == {use.name for use in uses()}


def test_the_operators_guide_names_every_metric() -> None:
    guide = (ROOT / "docs" / "operations.md").read_text()
    assert not [name for name in TABLE if f"| `{PREFIX}{name}` |" not in guide]
