"""Pages of lists that are at hand as a whole."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import Query

from deployments.history.views import page
from deployments.ingestion.errors import ApiError
from deployments.ingestion.responses_body import Include

Included = Annotated[list[Include] | None, Query(alias="include[]")]
Limit = Annotated[int, Query(ge=1, le=100)]
Order: TypeAlias = Literal["asc", "desc"]


def page_of(items: Sequence[dict[str, Any]], *, after: str | None, limit: int, order: Order) -> dict[str, Any]:
    """The envelope of `limit` items behind the one with the id `after`. `items` come in ascending order.

    An id that comes twice is shown once: a cursor that leads back would keep its reader for ever.
    """
    ordered = list({item["id"]: item for item in (items if order == "asc" else reversed(items))}.values())
    if after is not None:
        place = next((index for index, item in enumerate(ordered) if item["id"] == after), None)
        if place is None:
            raise unknown_cursor(after)
        ordered = ordered[place + 1 :]
    return page(ordered[: limit + 1], limit)


def unknown_cursor(after: str | None) -> ApiError:
    """A list never starts again from its beginning for want of a cursor."""
    return ApiError(400, f"Unknown cursor: '{after}'.", "invalid_value", "after")
