"""Many jobs in one request. Each is accepted or refused alone; those that are accepted are on disk together."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field, ValidationError
from pydantic_core import to_json

from deployments.ingestion.bodies import Body, GenerateBody
from deployments.ingestion.door import Asked, Call, Door
from deployments.ingestion.errors import ApiError, api_error
from deployments.ingestion.idempotency import idempotency_key

BULK_PATH = "/jobs"
MOST_JOBS = 1000


class BulkBody(Body):
    """`POST /jobs`: bodies as `POST /async-generate` takes them."""

    jobs: list[dict[str, Any]] = Field(min_length=1, max_length=MOST_JOBS)


class GoodBulkBody(Body):
    """One without a flaw, checked in one pass."""

    jobs: list[GenerateBody] = Field(min_length=1, max_length=MOST_JOBS)


async def accept_many(door: Door, raw: bytes, call: Call, word: str = "") -> list[str | ApiError]:
    """An id for each, in order, or why it is refused. `word` is the idempotency key of all; each has it with its place.

    Raises ValidationError for what is no BulkBody, and TransientError where nothing is known of any.
    """
    asked = _asked(raw, word)
    answers = iter(await door.accept_many([each for each in asked if isinstance(each, Asked)], call))
    return [next(answers) if isinstance(each, Asked) else each for each in asked]


def _asked(raw: bytes, word: str) -> Sequence[Asked | ApiError]:
    if not word:
        try:
            return [Asked(body) for body in GoodBulkBody.model_validate_json(raw).jobs]
        except ValidationError:
            pass  # each is to be told of its own flaw
    return [_checked(job, word, place) for place, job in enumerate(BulkBody.model_validate_json(raw).jobs)]


def _checked(job: dict[str, Any], word: str, place: int) -> Asked | ApiError:
    try:
        body = GenerateBody.model_validate(job)
    except ValidationError as error:
        return api_error(error)
    key = idempotency_key(BULK_PATH, word, to_json(job)) if word else None
    return Asked(body, key and key._replace(word=f"{place} {key.word}"))
