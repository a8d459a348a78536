"""The command line where no server is needed, and what it shows of a job."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from heliograph.cli import app
from heliograph.frames import EndFrame, EventFrame, Frame, TokenFrame
from heliograph.timeline import Timeline
from pipelines.jobs import Fault, Status

NOBODY = "http://127.0.0.1:1"
USAGE = {"input_tokens": 3, "output_tokens": 8, "cached_tokens": 0}


def event(kind: str, at: float, **data: object) -> EventFrame:
    return EventFrame(id=f"evt_{kind}", type=kind, step="", attempt=1, created_at=at, data=data)


def end(status: Status = Status.COMPLETED, fault: Fault | None = None) -> EndFrame:
    return EndFrame(sequence_number=9, status=status, fault=fault)


def shown(*frames: Frame) -> tuple[Timeline, str]:
    output = io.StringIO()
    timeline = Timeline(Console(file=output, width=200, soft_wrap=True))
    timeline.follow(frames)
    return timeline, output.getvalue()


STORY = (
    event("JobSubmitted", 100.0),
    event("PromptRendered", 100.5, waited_us=200_000, input_tokens=3),
    event("InferenceStarted", 101.0, waited_us=300_000),
    TokenFrame(sequence_number=5, text="Ray "),
    TokenFrame(sequence_number=6, text="of [light]"),
    event("InferenceCompleted", 105.0, usage=USAGE, finish_reason="stop"),
    event("ResultStored", 105.0),
    end(),
)


def test_a_timeline_shows_events_with_times_and_waits_and_the_text_between_them() -> None:
    timeline, text = shown(*STORY)
    assert text.splitlines() == [
        "   0.000 s  JobSubmitted",
        "   0.500 s  PromptRendered      waited 200 ms · 3 tokens in",
        "   1.000 s  InferenceStarted    waited 300 ms",
        "Ray of [light]",
        "   5.000 s  InferenceCompleted  8 tokens out · stop",
        "   5.000 s  ResultStored",
        "completed · 8 tokens · 2.0 tokens/s · waited 500 ms in queues",
    ]
    assert timeline.text == "Ray of [light]"


def test_a_timeline_says_why_a_job_failed() -> None:
    fault = Fault("deadline_exceeded", "too [late]")
    _, text = shown(event("JobSubmitted", 1.0), end(Status.FAILED, fault))
    assert "failed · too [late] (deadline_exceeded)" in text


def test_colours_are_for_terminals_only() -> None:
    output = io.StringIO()
    Timeline(Console(file=output, force_terminal=True, color_system="standard")).follow(STORY)
    assert "\x1b[" in output.getvalue()
    assert "\x1b[" not in shown(*STORY)[1]


@pytest.mark.parametrize("command", ["serve", "stop", "submit", "watch", "jobs", "events", "model", "batch"])
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


@pytest.mark.parametrize("arguments", [["jobs"], ["events", "resp_1"], ["submit", "--model", "m", "--prompt", "p"]])
def test_a_server_that_is_not_there_is_named_in_one_line(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, [*arguments, "--url", NOBODY])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: no server answers at {NOBODY}")
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--prompt", "p", "--template", "t"],
        [],
        ["--template", "t", "--var", "topic"],
        ["--template", "t", "--var", "=x"],
    ],
)
def test_a_submit_that_contradicts_itself_is_a_usage_error(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["submit", "--model", "m", *arguments, "--url", NOBODY])
    assert result.exit_code == 2


def test_the_list_of_models_says_what_each_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_MODELS", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    listed = json.loads(CliRunner().invoke(app, ["model", "list", "--json"]).stdout)
    lacks = {row["model"]: row["lacks"] for row in listed}
    assert "model add" in lacks["smollm2-135m-instruct"]
    assert lacks["all-minilm-l6-v2"] is None
    assert "ANTHROPIC_API_KEY" in lacks["anthropic"]
    assert (lacks["openai"], lacks["scripted"]) == (None, None)
    assert "ANTHROPIC_API_KEY" in CliRunner().invoke(app, ["model", "list"]).stdout


def test_a_model_at_another_server_is_not_added() -> None:
    result = CliRunner().invoke(app, ["model", "add", "openai"])
    assert (result.exit_code, "another server" in result.stderr) == (1, True)


def test_adding_a_model_prints_its_folder_for_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_MODELS", str(tmp_path / "cache"))
    (tmp_path / "config.json").write_text("{}")
    result = CliRunner().invoke(app, ["model", "add", "mine", "--source", str(tmp_path), "--json"])
    assert json.loads(result.stdout) == {"model": "mine", "folder": str(tmp_path / "cache" / "mine")}


def test_stopping_where_nothing_runs_is_no_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["stop", "--data", str(tmp_path)])
    assert result.exit_code == 0
    assert "no server runs" in result.stdout


def test_a_server_with_an_unknown_encoder_does_not_start(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("models: [scripted]\nencoders: [nope]\n")
    result = CliRunner().invoke(app, ["serve", "--config", str(config), "--data", str(tmp_path / "data")])
    assert result.exit_code == 1
    assert "maxsim" in result.output
