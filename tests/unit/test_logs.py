import ast
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.telemetry.logs import FIELDS, LOGGER, StateChange, configure_logging, log_changes
from tests.logging_kept import kept_logging

ROOT = Path(__file__).parents[2]
ROOMS = ("actors", "deployments", "heliograph", "pipelines")
log = logging.getLogger(LOGGER)
CHANGE = StateChange("PromptRendered", "resp_1", "render", 2, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


class Output(io.StringIO):
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def output() -> Iterator[Output]:
    stream = Output()
    with kept_logging():
        configure_logging(service="journal", stream=stream)
        yield stream


def test_a_line_has_time_level_service_message_and_the_known_fields(output: Output) -> None:
    log.warning("worker died", extra={"worker": "w1", "topic": "topic.prompting"})
    (line,) = output.lines()
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "service": "journal",
        "message": "worker died",
        "worker": "w1",
        "topic": "topic.prompting",
    }


def test_a_field_that_is_not_known_is_never_written(output: Output) -> None:
    log.error("failed", extra={"job": "resp_1", "prompt": "my secret"})
    assert output.lines()[0]["job"] == "resp_1"
    assert "secret" not in output.getvalue()


def test_every_state_change_is_a_line_with_job_step_attempt_and_trace(output: Output) -> None:
    log_changes([CHANGE, CHANGE._replace(job="resp_2")])
    first, second = output.lines()
    assert (first["message"], first["job"], second["job"]) == ("PromptRendered", "resp_1", "resp_2")
    assert (first["step"], first["attempt"]) == ("render", 2)
    assert first["trace"] == "0af7651916cd43dd8448eb211c80319c"


def test_routine_is_told_of_only_where_everything_is(output: Output) -> None:
    changes = [CHANGE._replace(routine=True), CHANGE._replace(job="resp_2")]
    log_changes(changes)
    assert [line["job"] for line in output.lines()] == ["resp_2"]
    configure_logging(service="journal", level="DEBUG", stream=output)
    log_changes(changes)
    assert [line["job"] for line in output.lines()] == ["resp_2", "resp_1", "resp_2"]


def test_nothing_changed_is_nothing_said(output: Output) -> None:
    log_changes([])
    assert not output.getvalue()


def test_above_its_level_the_log_is_silent(output: Output) -> None:
    configure_logging(service="journal", level="WARNING", stream=output)
    log_changes([CHANGE])
    assert not output.getvalue()


def test_an_exception_is_one_line_with_its_traceback(output: Output) -> None:
    try:
        int("broken")
    except ValueError:
        log.exception("loop failed", extra={"loop": "sweep"})
    (line,) = output.lines()
    assert line["loop"] == "sweep"
    assert "Traceback" in line["exception"]
    assert "ValueError: invalid literal" in line["exception"]


def test_configuring_twice_says_everything_once(output: Output) -> None:
    configure_logging(service="journal", stream=output)
    log.info("once")
    assert len(output.lines()) == 1


def test_the_code_logs_no_field_that_would_be_dropped() -> None:
    dropped = [
        f"{path.relative_to(ROOT)}:{node.lineno} {key.value!r}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Dict)
        for key in node.value.keys
        if isinstance(key, ast.Constant) and key.value not in {*FIELDS, "changes"}
    ]
    assert not dropped


def test_a_handler_on_the_root_prints_nothing_a_second_time(output: Output) -> None:
    again = logging.StreamHandler(output)
    logging.getLogger().addHandler(again)
    log.info("once")
    logging.getLogger().removeHandler(again)
    assert len(output.lines()) == 1
