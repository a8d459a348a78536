"""What a body refers to - earlier responses, conversations, templates, single items - made into a request.

Invariant: what is referred to is looked for among the tenant's own things only, and the request holds all that it
needs but the payloads of earlier turns, of which it holds the references.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from deployments.history.history import HistoryApi, UnknownJobError
from deployments.ingestion.errors import ApiError
from deployments.ingestion.input_items import Item, kept_items, kept_messages, orphaned_output
from deployments.ingestion.responses_body import CountBody, ResponsesBody
from pipelines.payloads import Request, Turn
from pipelines.ports import Ids

ID_CHARACTERS = 28  # of an id behind its prefix; an output's item begins with those of its job


class Draft(NamedTuple):
    """A request, and the job that it goes on from."""

    request: Request
    parent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What precedes the input: turns by reference, then items."""

    context: Sequence[Turn] = ()
    before: Sequence[Item] = ()
    parent: str = ""  # the job whose turn is the last of the context
    rendered: str | None = None  # its prompt

    def fields(self) -> dict[str, Any]:
        """As a request has them."""
        return {
            "context": list(self.context),
            "before": list(self.before),
            "parent_rendered": self.rendered,
        }


Memory = Mapping[str, Earlier]  # what follows a response, by its id
NOTHING: Memory = {}


class Resolver:
    """Makes drafts. Raises ApiError, RejectError, and what history raises for what is not there."""

    def __init__(self, history: HistoryApi, ids: Ids) -> None:
        self._history = history
        self._ids = ids

    async def draft(self, body: ResponsesBody, tenant: str, memory: Memory = NOTHING) -> Draft:
        """The request that a body asks for. `memory` knows responses that are stored nowhere."""
        said: list[Item] = []
        if body.prompt is not None:
            template = await self._history.prompt_render(tenant, body.prompt.id, body.prompt.version, body.variables)
            body, said = body.over(template), kept_messages(template["messages"], self._ids)
        earlier = await self._earlier(body, tenant, memory)
        items = await self._items(body, said, tenant, earlier)
        return Draft(body.request(input=items, **earlier.fields()), earlier.parent)

    async def counted(self, body: CountBody, tenant: str) -> Request:
        """The request whose prompt is to be counted."""
        earlier = await self._earlier(body, tenant, NOTHING)
        items = await self._items(body, [], tenant, earlier)
        return body.request(input=items, **earlier.fields())

    async def _earlier(self, body: ResponsesBody | CountBody, tenant: str, memory: Memory) -> Earlier:
        previous = body.previous_response_id
        if previous is not None:
            return memory[previous] if previous in memory else await self._previous(tenant, previous)
        if body.conversation is not None:
            return Earlier(before=await self._history.conversation_context(tenant, body.conversation.id))
        return Earlier()

    async def _previous(self, tenant: str, response_id: str) -> Earlier:
        try:
            earlier = await self._history.turn(tenant, response_id)
        except UnknownJobError as error:
            raise previous_not_found(response_id) from error
        if not earlier.status.terminal:
            raise _previous(f"Previous response '{response_id}' is not finished: it is {earlier.status}.")
        if earlier.turn is None:
            raise _previous(f"Previous response '{response_id}' is {earlier.status}; nothing can go on from it.")
        context = (*earlier.context, earlier.turn)
        return Earlier(context=context, parent=response_id, rendered=earlier.rendered)

    async def _items(
        self, body: ResponsesBody | CountBody, said: list[Item], tenant: str, earlier: Earlier
    ) -> list[Item]:
        items = [*said, *kept_items(body.input or [], self._ids)]
        if not items and not earlier.context and not earlier.before:
            raise ApiError(400, "Missing required parameter: 'input'.", "missing_required_parameter", "input")
        items = [await self._referred(item, tenant, earlier) for item in items]
        orphan = None if earlier.context else orphaned_output([*earlier.before, *items])
        if orphan is not None:
            message = f"No tool call found for function call output with call_id {orphan}."
            raise ApiError(400, message, "invalid_value", "input")
        return items

    async def _referred(self, item: Item, tenant: str, earlier: Earlier) -> Item:
        """The item itself where it is only a reference: one that precedes, or one of a stored response's output."""
        if item["type"] != "item_reference":
            return item
        known = next((other for other in earlier.before if other.get("id") == item["id"]), None)
        return known or await self._output_item(tenant, item["id"])

    async def _output_item(self, tenant: str, item_id: str) -> Item:
        try:
            job_id = f"resp_{item_id.partition('_')[2][:ID_CHARACTERS]}"
            response = await self._history.response(tenant, job_id)
        except UnknownJobError as error:
            raise _item_not_found(item_id) from error
        found = [item for item in response["output"] if item["id"] == item_id and response["store"]]
        if not found:
            raise _item_not_found(item_id)
        item: Item = found[0]
        return item


def previous_not_found(response_id: str) -> ApiError:
    """There is no such earlier response."""
    message = f"Previous response with id '{response_id}' not found."
    return ApiError(400, message, "previous_response_not_found", "previous_response_id")


def _previous(message: str) -> ApiError:
    return ApiError(400, message, "invalid_value", "previous_response_id")


def _item_not_found(item_id: str) -> ApiError:
    return ApiError(404, f"Item with id '{item_id}' not found.", "item_not_found", "input")
