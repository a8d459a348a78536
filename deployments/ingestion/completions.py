"""`POST /v1/completions`."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from deployments.inference.speech import Batch
from deployments.ingestion.chat_view import usage_object
from deployments.ingestion.completion_body import CompletionBody
from deployments.ingestion.completion_view import CompletionChunks, CompletionHead, completion_object
from deployments.ingestion.direct import DirectService, whole
from deployments.ingestion.direct_reply import Answers, Parts, StreamReply, chunked, object_reply
from deployments.ingestion.document import described


def completion_routes(direct: DirectService) -> APIRouter:
    """`/v1/completions`."""
    router = APIRouter(prefix="/v1")

    @router.post("/completions", openapi_extra=described(CompletionBody, reply="Completion", streams=True))
    async def create(request: Request) -> Response:
        raw = await request.body()
        body = CompletionBody.model_validate_json(raw)
        prompts = await direct.raw_prompts(body.request(), body.prompts, size=len(raw))
        traceparent = request.headers.get("traceparent", "")
        answers = direct.answers(body.model, prompts, choices=body.choices, traceparent=traceparent)
        head = CompletionHead(direct.new_id("cmpl"), direct.now(), body.model)
        if body.stream:
            return StreamReply(_parts(answers, head, body))
        return await object_reply(request, _object(answers, head, body))

    return router


async def _object(answers: Answers, head: CompletionHead, body: CompletionBody) -> dict[str, Any]:
    return completion_object(head, await whole(answers), choices=body.choices, logprobs=body.logprobs is not None)


def _parts(answers: Answers, head: CompletionHead, body: CompletionBody) -> Parts:
    def begin(index: int, _: Batch) -> CompletionChunks:
        return CompletionChunks(head, index, logprobs=body.logprobs is not None)

    def usage(lasts: list[Batch]) -> dict[str, Any]:
        return head.part([], usage_object(lasts, choices=body.choices))

    return chunked(answers, begin, usage if body.include_usage else None)
