"""The pipeline `generate`: render -> infer. Also where a step's work waits."""

from typing import NamedTuple

RENDER = "render"
INFER = "infer"
PROMPTING_TOPIC = "topic.prompting"
FIRST_OPERATION = 2  # the stream's `created` is 0 and `queued` is 1; both come from the request


class Step(NamedTuple):
    """A step and the topic that its workers pull from."""

    name: str
    topic: str


def first_step() -> Step:
    """Where a submitted job begins: every model's prompts are rendered by the same workers."""
    return Step(RENDER, PROMPTING_TOPIC)


def next_step(step: str, model: str) -> Step | None:
    """What comes after a step; None where the job is complete then."""
    return Step(INFER, inference_topic(model)) if step == RENDER else None


def inference_topic(model: str) -> str:
    """The topic of a model's inference workers."""
    return f"topic.inference.{model}"
