"""From a request to the prompt that the engine gets. Pure; ingestion uses it too, to refuse early."""

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.prompting.templates import Templates
from deployments.prompting.tokenizers import Tokenizer
from pipelines.errors import RejectError
from pipelines.payloads import Message, Prompt, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptModel:
    """What rendering must know of a model. `context` is in tokens, prompt and output together."""

    context: int
    default_max_output_tokens: int
    tokenizer: Tokenizer


class PromptRenderer:
    """Renders for the models given by name."""

    def __init__(self, *, templates: Templates, models: Mapping[str, PromptModel]) -> None:
        self._templates = templates
        self._models = models

    def messages(self, request: Request) -> list[Message]:
        """The conversation, instructions first. Raises RejectError for the template's reasons."""
        if request.template is None:
            messages = list(request.messages or [])
        else:
            messages = self._templates.render(request.template, request.variables)
        if request.instructions:
            messages.insert(0, Message(role="system", content=request.instructions))
        return messages

    def check_length(self, request: Request) -> None:
        """Raises RejectError where the prompt leaves no room. Slow: it counts tokens."""
        self.prompt(request)

    def prompt(self, request: Request) -> Prompt:
        """The prompt. Raises RejectError for all that is wrong with the request."""
        model = self._model(request.model)
        messages = self.messages(request)
        encoded = model.tokenizer.encode(messages)
        return Prompt(
            messages=messages,
            token_ids=encoded.token_ids,
            input_tokens=encoded.tokens,
            max_tokens=_max_tokens(request, model, encoded.tokens),
            temperature=request.temperature,
            top_p=request.top_p,
            priority=request.priority,
            metadata=request.metadata,
        )

    def _model(self, name: str) -> PromptModel:
        model = self._models.get(name)
        if model is None:
            raise RejectError(f"The model '{name}' does not exist.", code="model_not_found", param="model")
        return model


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
