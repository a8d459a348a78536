"""Inference that has no replica until there is work."""

import json

import pytest

from tests.integration.conftest import RayServer
from tests.servers import until

pytestmark = [pytest.mark.long, pytest.mark.ray, pytest.mark.timeout(600)]

JOBS = 150  # for three replicas of 64 slots
LASTING = {"scripted": json.dumps({"tokens": 40, "delay_ms": 100})}


def replicas(server: RayServer) -> int:
    return len(server.find("ServeReplica:inference.scripted"))


def test_a_burst_scales_inference_up_and_back_to_zero_and_loses_no_job_and_starts_none_twice(
    elastic: RayServer,
) -> None:
    until(lambda: replicas(elastic) == 0, seconds=120, what="no replica before the burst")
    jobs = [elastic.submit(metadata=LASTING, max_output_tokens=40) for _ in range(JOBS)]
    most = until(lambda: n if (n := replicas(elastic)) > 1 else 0, seconds=120, what="several replicas")
    assert {elastic.finish(job)["status"] for job in jobs} == {"completed"}
    assert most <= 3
    assert {elastic.events(job).count("InferenceStarted") for job in jobs} == {1}
    until(lambda: replicas(elastic) == 0, seconds=120, what="no replica after the burst")
