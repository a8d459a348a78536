"""The body of `POST /v1/completions`: a text goes on, without any chat template."""

from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, model_validator

from deployments.ingestion.bodies import refusal
from deployments.ingestion.direct_body import DirectBody, Unsupported
from deployments.ingestion.texts import Ids, Text, TextOrIds, as_list, kind_of
from pipelines.payloads import Request

DEFAULT_MAX_TOKENS = 16  # OpenAI's
MOST_GENERATIONS = 128  # prompts times `n`

Prompts = Annotated[
    Annotated[Text, Tag("<string>")]
    | Annotated[list[Text], Tag("<strings>")]
    | Annotated[Ids, Tag("<ids>")]
    | Annotated[list[Ids], Tag("<lists>")],
    Discriminator(
        kind_of,
        custom_error_type="invalid_value",
        custom_error_message="'prompt' is a text, token ids, or a list of either, and not empty.",
    ),
]


class CompletionBody(DirectBody):
    """`POST /v1/completions`."""

    prompt: Prompts
    logprobs: int | None = Field(default=None, ge=0, le=20)
    best_of: int | None = None
    echo: Unsupported = None
    suffix: Unsupported = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.best_of is not None and self.best_of != self.choices:
            raise refusal("unsupported_parameter", "'best_of' can only be 'n'.", "best_of")
        if len(self.prompts) * self.choices > MOST_GENERATIONS:
            raise refusal("invalid_value", f"At most {MOST_GENERATIONS} completions at once.", "prompt")
        return self

    @property
    def prompts(self) -> list[TextOrIds]:
        """Each one, as text or as token ids."""
        return as_list(self.prompt)

    def request(self, **more: Any) -> Request:
        """What is rendered with each prompt; `more` are further fields, which win."""
        fields = dict(
            **self.common(),
            messages=[],
            max_output_tokens=self.max_tokens or DEFAULT_MAX_TOKENS,
            top_logprobs=self.logprobs,
        )
        return Request(**fields | more)
