"""The Python client against a server on Ray; what it did is in one report."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.integration.conftest import RayServer

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def report(elastic: RayServer) -> Any:
    program = [sys.executable, "-m", "tests.integration.sdk_program", elastic.ray_address()]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_job_streams_its_events_its_tokens_and_its_end(report: Any) -> None:
    streamed = report["streamed"]
    assert streamed["events"] == [
        "JobSubmitted",
        "PromptRendered",
        "InferenceStarted",
        "InferenceCompleted",
        "ResultStored",
    ]
    assert streamed["end"] == streamed["status"] == "completed"


def test_the_stored_result_is_what_was_streamed(report: Any) -> None:
    assert report["streamed"]["text"]
    assert report["streamed"]["stored"] == report["streamed"]["text"]


def test_a_stream_goes_on_after_a_sequence_number(report: Any) -> None:
    assert report["streamed"]["tokens"] > 1
    assert report["streamed"]["rest"]


def test_a_cancelled_job_has_no_result(report: Any) -> None:
    assert report["cancelled"] == {"late": "TimeoutError", "result": "JobCancelledError", "status": "cancelled"}


def test_many_jobs_are_submitted_in_one_call_and_refused_alone(report: Any) -> None:
    assert report["many"] == {"kinds": ["Job", "ApiError", "Job"], "same": True, "texts": 1}


def test_what_is_refused_raises_an_error_of_our_own_tree(report: Any) -> None:
    assert report["refused"] == {
        "unknown model": "ApiError 404",
        "nothing asked": "ApiError 400",
        "unknown job": "ApiError 404",
    }
