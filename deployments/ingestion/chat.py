"""`POST /v1/chat/completions`."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from deployments.inference.speech import Batch
from deployments.ingestion.chat_body import ChatBody
from deployments.ingestion.chat_view import ChatChunks, ChatHead, chat_object, usage_chunk
from deployments.ingestion.direct import DirectService, whole
from deployments.ingestion.direct_reply import Answers, Parts, StreamReply, chunked, object_reply
from deployments.ingestion.document import described
from deployments.ingestion.tiers import used_tier


def chat_routes(direct: DirectService) -> APIRouter:
    """`/v1/chat/completions`."""
    router = APIRouter(prefix="/v1")

    @router.post("/chat/completions", openapi_extra=described(ChatBody, reply="chat.ChatCompletion", streams=True))
    async def create(request: Request) -> Response:
        raw = await request.body()
        body = ChatBody.model_validate_json(raw)
        prompt = await direct.chat_prompt(body.request(), size=len(raw))
        traceparent = request.headers.get("traceparent", "")
        answers = direct.answers(body.model, [prompt], choices=body.choices, traceparent=traceparent)
        head = ChatHead(direct.new_id("chatcmpl"), direct.now(), body.model, used_tier(body.service_tier), "")
        if body.stream:
            return StreamReply(_parts(answers, head, body))
        return await object_reply(request, _object(answers, head, body))

    return router


async def _object(answers: Answers, head: ChatHead, body: ChatBody) -> dict[str, Any]:
    batches = await whole(answers)
    head = head._replace(fingerprint=batches[0].fingerprint)
    return chat_object(head, batches, logprobs=bool(body.logprobs))


def _parts(answers: Answers, head: ChatHead, body: ChatBody) -> Parts:
    def begin(index: int, receipt: Batch) -> ChatChunks:
        return ChatChunks(head._replace(fingerprint=receipt.fingerprint), index, logprobs=bool(body.logprobs))

    def usage(lasts: list[Batch]) -> dict[str, Any]:
        return usage_chunk(head, lasts)

    return chunked(answers, begin, usage if body.include_usage else None)
