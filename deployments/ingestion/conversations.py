"""`/v1/conversations`: a conversation and its items."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from deployments.history.conversations import UnknownConversationError
from deployments.ingestion.bodies import Body, Metadata
from deployments.ingestion.document import described
from deployments.ingestion.errors import ApiError
from deployments.ingestion.input_items import InputItem, Item, kept_items, references
from deployments.ingestion.jobs import json_reply
from deployments.ingestion.lists import Included, Limit, Order, unknown_cursor
from deployments.ingestion.middleware import tenant_of
from deployments.ingestion.service import IngestionService
from events.ids import is_id

CONVERSATION = "conversations.Conversation"
MOST_ITEMS = 20  # that are added at once
_Items = Annotated[list[InputItem], Field(max_length=MOST_ITEMS)]


class NewConversation(Body):
    """`POST /v1/conversations`."""

    items: _Items | None = None
    metadata: Metadata | None = None


class ConversationUpdate(Body):
    """`POST /v1/conversations/{id}`."""

    metadata: Metadata | None


class NewItems(Body):
    """`POST /v1/conversations/{id}/items`."""

    items: Annotated[_Items, Field(min_length=1)]


def conversation_routes(service: IngestionService) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix="/v1/conversations")
    _conversations(router, service)
    _items(router, service)
    return router


def _conversations(router: APIRouter, service: IngestionService) -> None:
    history = service.history

    @router.post("", openapi_extra=described(NewConversation, reply=CONVERSATION, required=False))
    async def create(request: Request) -> Response:
        body = NewConversation.model_validate_json(await request.body() or b"{}")
        items = _whole(kept_items(body.items or [], service.ids))
        return json_reply(await history.conversation_create(tenant_of(request.scope), items, body.metadata or {}))

    @router.get("/{conversation_id}", openapi_extra=described(reply=CONVERSATION))
    async def retrieve(request: Request, conversation_id: str) -> Response:
        return json_reply(await history.conversation(tenant_of(request.scope), _checked(conversation_id)))

    @router.post("/{conversation_id}", openapi_extra=described(ConversationUpdate, reply=CONVERSATION))
    async def update(request: Request, conversation_id: str) -> Response:
        body = ConversationUpdate.model_validate_json(await request.body())
        tenant = tenant_of(request.scope)
        return json_reply(await history.conversation_update(tenant, _checked(conversation_id), body.metadata or {}))

    @router.delete("/{conversation_id}", openapi_extra=described(reply=f"{CONVERSATION}DeletedResource"))
    async def delete(request: Request, conversation_id: str) -> Response:
        return json_reply(await history.conversation_delete(tenant_of(request.scope), _checked(conversation_id)))


def _items(router: APIRouter, service: IngestionService) -> None:
    history = service.history

    @router.post("/{conversation_id}/items", openapi_extra=described(NewItems, reply=f"{CONVERSATION}ItemList"))
    async def add(
        request: Request,
        conversation_id: str,
        include: Included = None,  # noqa: ARG001 - all that there is is shown anyway
    ) -> Response:
        body = NewItems.model_validate_json(await request.body())
        items = _whole(kept_items(body.items, service.ids))
        return json_reply(await history.conversation_add(tenant_of(request.scope), _checked(conversation_id), items))

    @router.get("/{conversation_id}/items")
    async def items(
        request: Request,
        conversation_id: str,
        include: Included = None,  # noqa: ARG001 - likewise
        after: str | None = None,
        limit: Limit = 20,
        order: Order = "desc",
    ) -> Response:
        tenant, ascending = tenant_of(request.scope), order == "asc"
        identifier = _checked(conversation_id)
        try:
            return json_reply(await history.conversation_items(tenant, identifier, after, limit, ascending=ascending))
        except UnknownConversationError:
            raise
        except LookupError as error:
            raise unknown_cursor(after) from error

    @router.get("/{conversation_id}/items/{item_id}")
    async def item(
        request: Request,
        conversation_id: str,
        item_id: str,
        include: Included = None,  # noqa: ARG001 - likewise
    ) -> Response:
        tenant = tenant_of(request.scope)
        return json_reply(await history.conversation_item(tenant, _checked(conversation_id), item_id))

    @router.delete("/{conversation_id}/items/{item_id}", openapi_extra=described(reply=CONVERSATION))
    async def remove(request: Request, conversation_id: str, item_id: str) -> Response:
        tenant = tenant_of(request.scope)
        return json_reply(await history.conversation_remove_item(tenant, _checked(conversation_id), item_id))


def _checked(conversation_id: str) -> str:
    """The id, where it has the shape of one."""
    if not conversation_id.startswith("conv_") or not is_id(conversation_id):
        message = f"Invalid conversation id: '{conversation_id}'. It begins with 'conv_'."
        raise ApiError(400, message, "invalid_value", "conversation_id")
    return conversation_id


def _whole(items: list[Item]) -> list[Item]:
    """The items, where none is only a reference."""
    if references(items):
        raise ApiError(400, "A conversation takes whole items, no references.", "invalid_value", "items")
    return items
