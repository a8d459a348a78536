"""From a request to the prompt that the engine gets. Pure; ingestion uses it too, to refuse early."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.file_search import file_search
from deployments.prompting.grammars import grammar_of
from deployments.prompting.items import check_answers, messages_of
from deployments.prompting.past import NO_PAST, Past, PastTurn
from deployments.prompting.sources import chosen, retrieval_of, with_sources
from deployments.prompting.templates import Templates
from deployments.prompting.tokenizers import Encoded, Tokenizer
from deployments.prompting.truncation import shortened
from pipelines.errors import RejectError
from pipelines.payloads import Context, Message, Prompt, Request, Retrieval, Sampling, Tooling

HERMES = "hermes"  # the form of calls for which a format can be kept to as well
_COPIED = [*Sampling.model_fields, *Tooling.model_fields]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptModel:
    """What rendering must know of a model. `context` is in tokens, prompt and output together."""

    context: int
    default_max_output_tokens: int
    tokenizer: Tokenizer
    tool_parser: str = ""
    calls_apart: bool = False  # its server reads functions' calls itself, whatever form an answer has


class PromptRenderer:
    """Renders for the models given by name."""

    def __init__(self, *, templates: Templates, models: Mapping[str, PromptModel]) -> None:
        self._templates = templates
        self._models = models

    def messages(self, request: Request, past: Past = NO_PAST) -> list[Message]:
        """The conversation, instructions first. Raises RejectError for the template's reasons."""
        messages = [Message(role="system", content=request.instructions)] if request.instructions else []
        return messages + self._said(request, past)

    def check_length(self, request: Request) -> None:
        """Raises RejectError where the prompt leaves no room. Slow: it counts tokens. Of the past it knows nothing."""
        self.prompt(request)

    def count(self, request: Request, past: Past = NO_PAST) -> int:
        """How many tokens the prompt has, were there room for it. Raises RejectError, and is slow, like `prompt`."""
        return self._model(request.model).tokenizer.encode(self.messages(request, past), request).tokens

    def prompt(self, request: Request, past: Past = NO_PAST) -> Prompt:
        """The prompt. Raises RejectError for all that is wrong with the request."""
        model = self._model(request.model)
        messages = self.messages(request, past)
        if len(past.turns) == len(request.context):
            check_answers(messages)
        retrieval = None
        if past.found is not None:
            messages, retrieval = self._grounded(request, model, messages, past.found)
        encoded = model.tokenizer.encode(messages, request, past.token_ids())
        if request.truncation == "auto" and not _fits(request, model, encoded.tokens):
            messages = self._shortened(request, model, messages)
            encoded = model.tokenizer.encode(messages, request)
        return Prompt(
            **{name: getattr(request, name) for name in _COPIED},
            messages=messages,
            token_ids=encoded.token_ids,
            input_tokens=encoded.tokens,
            max_tokens=_max_tokens(request, model, encoded.tokens),
            grammar=grammar_of(request, hermes=model.tool_parser == HERMES, apart=model.calls_apart),
            retrieval=retrieval,
            priority=request.priority,
            metadata=request.metadata,
        )

    def raw(self, request: Request, text: str | list[int]) -> Prompt:
        """The prompt that is this text, or these token ids, without a chat template. Raises RejectError."""
        model = self._model(request.model)
        encoded = _encode(model.tokenizer, text)
        return Prompt(
            **{name: getattr(request, name) for name in Sampling.model_fields},
            messages=[Message(role="user", content=text)] if isinstance(text, str) else [],
            plain=True,
            token_ids=encoded.token_ids,
            input_tokens=encoded.tokens,
            max_tokens=_max_tokens(request, model, encoded.tokens),
            priority=request.priority,
            metadata=request.metadata,
        )

    def _said(self, request: Request, past: Past) -> list[Message]:
        """All turns but the instructions, which are never handed down."""
        items = [item for turn in past.turns for item in self._turn(turn)]
        if request.input is not None:
            return messages_of([*items, *request.before, *request.input])
        return messages_of([*items, *request.before]) + self._own(request)

    def _own(self, request: Request) -> list[Message]:
        if request.template is None:
            return list(request.messages or [])
        return self._templates.render(request.template, request.variables)

    def _turn(self, turn: PastTurn) -> list[dict[str, Any]]:
        """What was asked and answered, with what preceded it."""
        asked = turn.request.input
        if asked is None:
            asked = [{"role": message.role, "content": message.content} for message in self._own(turn.request)]
        return [*turn.request.before, *asked, *turn.result.output]

    @staticmethod
    def _grounded(
        request: Request, model: PromptModel, messages: list[Message], found: Context
    ) -> tuple[list[Message], Retrieval]:
        """The conversation with what was found, as far as it has room."""
        search = file_search(request)
        passages = chosen(search, found) if search else found.passages
        grounded, used = with_sources(
            messages,
            passages,
            fits=lambda some: _fits(request, model, model.tokenizer.encode(some, request).tokens),
        )
        return grounded, retrieval_of(found, used, passages if request.show_results else None)

    @staticmethod
    def _shortened(request: Request, model: PromptModel, messages: list[Message]) -> list[Message]:
        return shortened(
            messages,
            kept=1 if request.instructions else 0,
            fits=lambda some: _fits(request, model, model.tokenizer.encode(some, request).tokens),
        )

    def _model(self, name: str) -> PromptModel:
        model = self._models.get(name)
        if model is None:
            raise RejectError(f"The model '{name}' does not exist.", code="model_not_found", param="model")
        return model


def _fits(request: Request, model: PromptModel, used: int) -> bool:
    """Whether an answer of ordinary length has room."""
    wanted = request.max_output_tokens or min(model.default_max_output_tokens, model.context // 2)
    return used + wanted <= model.context


def _encode(tokenizer: Tokenizer, text: str | list[int]) -> Encoded:
    if isinstance(text, str):
        return tokenizer.encode_raw(text)
    if tokenizer.encode_raw("").token_ids is None:
        raise RejectError("This model's engine takes text, not token ids.", code="invalid_value", param="prompt")
    return Encoded(text, len(text))


def _max_tokens(request: Request, model: PromptModel, used: int) -> int:
    """What the client asked for, or else the model's default as far as the context allows."""
    asked, room = request.max_output_tokens, model.context - used
    if room < (asked or 1):
        wish = f", and {asked} were asked for as output" if asked else ""
        raise RejectError(
            f"The context is {model.context} tokens; the prompt has {used}{wish}.",
            code="context_length_exceeded",
            param="max_output_tokens" if asked and room > 0 else None,
        )
    return asked or min(model.default_max_output_tokens, room)
