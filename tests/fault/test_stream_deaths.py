"""kill -9 of what a stream runs through: its client sees every event once and in order, and the bytes never change."""

import json
from typing import Any

import pytest

from tests.fault.follower import Follower
from tests.fault.test_kills import VICTIMS
from tests.servers import ServerProcess

WORDS = 60
BODY: dict[str, Any] = {
    "model": "scripted",
    "input": "Say something.",
    "max_output_tokens": 2000,
    "background": True,
    "stream": True,
    "metadata": {"scripted": json.dumps({"tokens": WORDS, "delay_ms": 50})},
}

pytestmark = pytest.mark.ray


@pytest.mark.parametrize(
    "victim",
    ["ingestion", *[pytest.param(victim, marks=pytest.mark.long) for victim in ("journal", "token log", "inference")]],
)
def test_a_stream_survives_the_death_of(victim: str, event_driven: ServerProcess) -> None:
    follower = Follower(event_driven, BODY)
    for number, _ in enumerate(follower):
        if number == 20:
            event_driven.kill(VICTIMS[victim])
    assert follower.events[-1]["type"] == "response.completed"
    assert follower.events[-1]["response"]["output"][0]["content"][0]["text"] == follower.text
    assert len(follower.text.split()) == WORDS
    assert follower.replay() == follower.frames
    assert (follower.connections > 1) == (victim == "ingestion")


def test_a_foreground_response_ends_when_its_ingestion_replica_dies(event_driven: ServerProcess) -> None:
    endless = {"scripted": json.dumps({"tokens": 2000, "delay_ms": 50})}
    follower = Follower(event_driven, {**BODY, "background": False, "metadata": endless})
    events = iter(follower)
    while not follower.text:
        next(events)
    event_driven.kill(VICTIMS["ingestion"])
    assert event_driven.finish(follower.response_id)["status"] == "cancelled"
