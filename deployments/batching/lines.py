"""The lines of a batch's file: each is checked as the endpoint that it names would check its body.

What a line alone cannot tell - whether its id is another's too, how many there are - is `validation.py`'s.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Container, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, ValidationError

from deployments.file_search import pipeline_of
from deployments.history.history import UnknownJobError
from deployments.history.prompts import UnknownTemplateError
from deployments.ingestion.bodies import Body
from deployments.ingestion.cards import EncoderCard
from deployments.ingestion.chat_body import ChatBody
from deployments.ingestion.completion_body import CompletionBody
from deployments.ingestion.direct_body import DirectBody
from deployments.ingestion.embedding_body import EmbeddingBody
from deployments.ingestion.errors import ApiError, api_error
from deployments.ingestion.resolver import Draft, Resolver
from deployments.ingestion.responses_body import ResponsesBody
from deployments.ingestion.tiers import used_tier
from pipelines.errors import HeliographError, RejectError
from pipelines.payloads import EmbeddingRequest, Request
from pipelines.steps import GENERATE

RESPONSES, CHAT, COMPLETIONS = "/v1/responses", "/v1/chat/completions", "/v1/completions"
EMBEDDINGS = "/v1/embeddings"
MOST_LINES = 50_000
MOST_BYTES = 10 * 1024 * 1024  # of a line
_FIELDS = ("custom_id", "method", "url", "body")


class Line(Body):
    """What every line has."""

    custom_id: Annotated[str, Field(min_length=1, max_length=512)]
    method: Literal["POST"]
    url: str


class _AnyLine(Line):
    body: dict[str, Any]


class _ResponsesLine(Line):
    body: ResponsesBody


class _ChatLine(Line):
    body: ChatBody


class _CompletionLine(Line):
    body: CompletionBody


class _EmbeddingLine(Line):
    body: EmbeddingBody


_AnyForm = _ResponsesLine | _ChatLine | _CompletionLine | _EmbeddingLine
_FORMS: dict[str, type[_AnyForm]] = {
    RESPONSES: _ResponsesLine,
    CHAT: _ChatLine,
    COMPLETIONS: _CompletionLine,
    EMBEDDINGS: _EmbeddingLine,
}


class Problem(NamedTuple):
    """What is wrong, as the batch's errors say it. Lines are counted from 1."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


class BadLineError(HeliographError):
    """The line cannot be taken."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(code, message, param)
        self.problem = Problem(code, message, param)


class Seen(NamedTuple):
    """A good line, as far as the others must know of it."""

    custom_id: str
    model: str


class Ask(NamedTuple):
    """What a good line asks for. `raw` is a text, or token ids, that goes on without a chat template."""

    request: Request | EmbeddingRequest
    raw: str | list[int] | None = None
    parent: str = ""


class LineDoor(NamedTuple):
    """What lines are checked against: the models that generate, those that make vectors, and what is there already."""

    models: Container[str]
    encoders: Mapping[str, EncoderCard]
    resolver: Resolver


class LineReader:
    """Reads the lines of one batch, whose jobs have this priority. Raises BadLineError."""

    def __init__(self, endpoint: str, tenant: str, *, priority: int, door: LineDoor) -> None:
        self._endpoint = endpoint
        self._tenant = tenant
        self._priority = priority
        self._door = door

    async def check(self, data: bytes) -> Seen:
        """Whether a line is good."""
        line = self._good(data)
        body = line.body
        model = (await self._draft(body)).request.model if isinstance(body, ResponsesBody) else body.model
        if model not in (self._door.encoders if isinstance(body, EmbeddingBody) else self._door.models):
            raise BadLineError("model_not_found", f"The model '{model}' does not exist.", "body.model")
        if isinstance(body, EmbeddingBody):
            _check_dimensions(body, self._door.encoders[model])
        return Seen(line.custom_id, model)

    async def read(self, data: bytes) -> Ask:
        """What a line asks for that was found to be good."""
        line = self._good(data)
        fields = {"custom_id": line.custom_id, "priority": self._priority, "background": False}
        match line.body:
            case ResponsesBody() as body:
                draft = await self._draft(body)
                return Ask(draft.request.model_copy(update=fields), parent=draft.parent)
            case CompletionBody() as body:
                return Ask(body.request(**fields), raw=body.prompts[0])
            case EmbeddingBody() as body:
                return Ask(_embedding_request(line.custom_id, body))
            case ChatBody() as body:
                return Ask(body.request(**fields, echo={"service_tier": used_tier(body.service_tier)}))

    def _good(self, data: bytes) -> _AnyForm:
        if len(data) > MOST_BYTES:
            raise BadLineError("invalid_json_line", f"The line has more than {MOST_BYTES} bytes.")
        line = self._parsed(data)
        if line.url != self._endpoint:
            raise self._wrong_url()
        _check(line.body)
        return line

    def _parsed(self, data: bytes) -> _AnyForm:
        try:
            return _FORMS[self._endpoint].model_validate_json(data)
        except ValidationError as error:
            raise self._flaw(data, error) from error

    def _flaw(self, data: bytes, error: ValidationError) -> BadLineError:
        """The line's own fields come before its body's: what is meant for another endpoint is told so."""
        try:
            if _AnyLine.model_validate_json(data).url != self._endpoint:
                return self._wrong_url()
        except ValidationError as own:
            error = own
        told = api_error(error)
        if told.code == "invalid_json" or not error.errors()[0]["loc"]:
            return BadLineError("invalid_json_line", "The line is not a JSON object.")
        code = told.code if told.code == "missing_required_parameter" and told.param in _FIELDS else "invalid_request"
        return BadLineError(code, told.message, told.param)

    def _wrong_url(self) -> BadLineError:
        return BadLineError("invalid_url", f"The line's url must be that of the batch: '{self._endpoint}'.", "url")

    async def _draft(self, body: ResponsesBody) -> Draft:
        try:
            draft = await self._door.resolver.draft(body, self._tenant)
        except (ApiError, RejectError, UnknownJobError, UnknownTemplateError) as error:
            told = api_error(error)
            raise BadLineError("invalid_request", told.message, f"body.{told.param or 'prompt'}") from error
        if pipeline_of(draft.request) != GENERATE:
            raise BadLineError("invalid_request", "A line of a batch cannot search in files.", "body.tools")
        return draft


def _embedding_request(custom_id: str, body: EmbeddingBody) -> EmbeddingRequest:
    return EmbeddingRequest(
        custom_id=custom_id,
        model=body.model,
        inputs=body.inputs,
        dimensions=body.dimensions,
        encoding_format=body.encoding_format,
    )


def _check_dimensions(body: EmbeddingBody, card: EncoderCard) -> None:
    if body.dimensions is not None and body.dimensions > card.dimensions:
        message = f"The vectors of '{card.name}' have {card.dimensions} dimensions."
        raise BadLineError("invalid_request", message, "body.dimensions")


def _check(body: ResponsesBody | DirectBody | EmbeddingBody) -> None:
    """Raises BadLineError for what a batch cannot do."""
    if isinstance(body, EmbeddingBody):
        return
    if body.stream:
        raise BadLineError("streaming_unsupported", "A line of a batch is not streamed.", "body.stream")
    if isinstance(body, ResponsesBody):
        if body.background:
            raise BadLineError("invalid_request", "A line of a batch cannot be 'background'.", "body.background")
        if body.conversation is not None:
            message = "Lines run side by side and cannot add to a conversation."
            raise BadLineError("invalid_request", message, "body.conversation")
    elif body.choices > 1:
        raise BadLineError("invalid_request", "A line of a batch has one answer: 'n' can only be 1.", "body.n")
    elif isinstance(body, CompletionBody) and len(body.prompts) > 1:
        raise BadLineError("invalid_request", "A line of a batch has one prompt.", "body.prompt")


async def lines_of(pieces: AsyncIterable[bytes]) -> AsyncGenerator[tuple[int, bytes]]:
    """The lines of a content with their numbers, from 1; those that are blank are left out.

    Of one that is longer than MOST_BYTES the beginning is given.
    """
    number, rest = 1, b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            if line and not line.isspace():
                yield number, line[: MOST_BYTES + 1]
            number += 1
        rest = rest[: MOST_BYTES + 1]
    if rest and not rest.isspace():
        yield number, rest
