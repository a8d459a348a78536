"""Many jobs in one request. Each is accepted or refused alone; those that are accepted are on disk together."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field, ValidationError
from pydantic_core import to_json

from deployments.ingestion.bodies import Body, GenerateBody
from deployments.ingestion.door import Accepted, Asked, Call, Door
from deployments.ingestion.errors import ApiError, api_error
from deployments.ingestion.idempotency import idempotency_key
from pipelines.errors import RejectError

BULK_PATH = "/jobs"
MOST_JOBS = 1000


class BulkBody(Body):
    """`POST /jobs`: bodies as `POST /async-generate` takes them."""

    jobs: list[dict[str, Any]] = Field(min_length=1, max_length=MOST_JOBS)


async def accept_many(door: Door, jobs: Sequence[dict[str, Any]], call: Call, word: str = "") -> list[str | ApiError]:
    """An id for each, in order, or why it is refused. `word` is the idempotency key of all; each has it with its place.

    Raises TransientError where nothing is known of any.
    """
    asked = [_asked(job, call, word, place) for place, job in enumerate(jobs)]
    answers = iter(await door.accept_many([each for each in asked if isinstance(each, Asked)]))
    return [_told(next(answers)) if isinstance(each, Asked) else each for each in asked]


def _asked(job: dict[str, Any], call: Call, word: str, place: int) -> Asked | ApiError:
    try:
        body = GenerateBody.model_validate(job)
    except ValidationError as error:
        return api_error(error)
    key = idempotency_key(BULK_PATH, word, to_json(job)) if word else None
    key = key and key._replace(word=f"{place} {key.word}")
    return Asked(body.request(), replace(call, deadline_s=body.deadline_s, key=key))


def _told(answer: Accepted | ApiError | RejectError) -> str | ApiError:
    return answer.job_id if isinstance(answer, Accepted) else api_error(answer)
