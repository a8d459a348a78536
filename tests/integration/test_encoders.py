"""The encoders' services on Serve, asked by their handles; what came of it is in one report."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.integration.conftest import RayServer

pytestmark = [pytest.mark.ray, pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def report(elastic: RayServer) -> Any:
    program = [sys.executable, "-m", "tests.integration.encoder_program", elastic.ray_address()]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_text_has_the_same_vector_in_every_batch(report: Any) -> None:
    embedded = report["embedded"]
    assert embedded["shape"] == [160, 384]
    assert embedded["difference"] < 1e-5
    assert embedded["counts"]


def test_what_is_refused_harms_nobody_beside_it(report: Any) -> None:
    assert report["embedded"]["refused"] == ["RejectError"]
    assert report["embedded"]["kept"]


def test_each_query_has_its_own_scores(report: Any) -> None:
    assert report["reranked"] == {"counts": [120, 120], "best": [0, 1]}


def test_a_service_that_is_not_there_is_a_passing_fault(report: Any) -> None:
    assert report["nobody"] == "TransientError"
