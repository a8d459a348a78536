"""Run as a program: what a user of the Python client does. Prints JSON.

Its own process, because a process can be connected to one Ray only, and other tests have theirs.
"""

import json
import sys
from typing import Any

import heliograph
from heliograph.client import Client, Job
from heliograph.frames import EventFrame, TokenFrame
from pipelines.errors import HeliographError

STEADY = {"scripted": json.dumps({"tokens": 8, "delay_ms": 50})}
SLOW = {"scripted": json.dumps({"tokens": 1000, "delay_ms": 1000})}


def stream_one(client: Client) -> dict[str, Any]:
    """A job's frames, its result, and the same stream again from its middle."""
    job = client.submit(model="scripted", prompt="hello", metadata=STEADY)
    frames = list(job.stream())
    tokens = [frame for frame in frames if isinstance(frame, TokenFrame)]
    again = [frame for frame in job.stream(tokens[0].sequence_number) if isinstance(frame, TokenFrame)]
    return {
        "events": [frame.type for frame in frames if isinstance(frame, EventFrame)],
        "text": "".join(token.text for token in tokens),
        "tokens": len(tokens),
        "rest": [token.sequence_number for token in again] == [token.sequence_number for token in tokens[1:]],
        "end": str(frames[-1].status) if not isinstance(frames[-1], EventFrame | TokenFrame) else None,
        "stored": job.result(timeout=30).output_text,
        "status": str(client.job(job.id).status),
    }


def cancel_one(client: Client) -> dict[str, Any]:
    """A job that would take a quarter of an hour."""
    job = client.submit(model="scripted", prompt="hello", metadata=SLOW)
    late = failure_of(lambda: job.result(timeout=0))
    job.cancel()
    return {"late": late, "result": failure_of(job.result), "status": str(job.status)}


def submit_many(client: Client) -> dict[str, Any]:
    """Many jobs in one call, one of which is refused."""
    hello = {"model": "scripted", "prompt": "hello"}
    answers = client.submit_many([hello, hello | {"model": "nobody"}, hello], idempotency_key="many")
    again = client.submit_many([hello], idempotency_key="many")
    jobs = [answer for answer in answers if isinstance(answer, Job)]
    return {
        "kinds": [type(answer).__name__ for answer in answers],
        "same": [job.id for job in again if isinstance(job, Job)] == [jobs[0].id],
        "texts": len({job.result(timeout=60).output_text for job in jobs}),
    }


def refused(client: Client) -> dict[str, Any]:
    """Requests that are refused."""
    return {
        "unknown model": failure_of(lambda: client.submit(model="nobody", prompt="hello")),
        "nothing asked": failure_of(lambda: client.submit(model="scripted")),
        "unknown job": failure_of(lambda: client.job("resp_" + "0" * 28)),
    }


def failure_of(action: Any) -> str:
    """What an action raised."""
    try:
        action()
    except (HeliographError, TimeoutError) as error:
        return f"{type(error).__name__} {getattr(error, 'status', '')}".strip()
    return "nothing"


def main() -> None:
    client = heliograph.connect(sys.argv[1])
    report = {
        "streamed": stream_one(client),
        "cancelled": cancel_one(client),
        "refused": refused(client),
        "many": submit_many(client),
    }
    print(json.dumps(report))  # noqa: T201


if __name__ == "__main__":
    main()
