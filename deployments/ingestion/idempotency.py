"""The `Idempotency-Key` of a request that creates something: the same key and body give the same object for a day."""

import hashlib
import json

from starlette.requests import Request

from deployments.ingestion.errors import ApiError
from pipelines.commands import Key

HEADER = "idempotency-key"
REPLAYED = {"idempotent-replayed": "true"}  # the header of an answer that an earlier request had already
_LONGEST = 255  # characters


def key_of(request: Request, body: bytes) -> Key | None:
    """The key of a request with a valid JSON body, on its very path."""
    return idempotency_key(request.url.path, request.headers.get(HEADER, ""), body)


def idempotency_key(route: str, word: str, body: bytes) -> Key | None:
    """The key of a valid JSON body; None for no word. Raises ApiError for a word that is too long."""
    if not word:
        return None
    if len(word) > _LONGEST:
        raise ApiError(
            400, f"An Idempotency-Key has at most {_LONGEST} characters.", "invalid_value", "Idempotency-Key"
        )
    canonical = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"))
    return Key(route, word, hashlib.sha256(canonical.encode()).hexdigest())
