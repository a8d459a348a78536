"""The body of `POST /v1/embeddings`."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from deployments.ingestion.bodies import Body
from deployments.ingestion.texts import Ids, Text, TextOrIds, as_list, kind_of

MOST_INPUTS = 2048
_MANY = Field(max_length=MOST_INPUTS)

Inputs = Annotated[
    Annotated[Text, Tag("<string>")]
    | Annotated[list[Text], _MANY, Tag("<strings>")]
    | Annotated[Ids, Tag("<ids>")]
    | Annotated[list[Ids], _MANY, Tag("<lists>")],
    Discriminator(
        kind_of,
        custom_error_type="invalid_value",
        custom_error_message="'input' is a text, token ids, or a list of either, and not empty.",
    ),
]


class EmbeddingBody(Body):
    """`POST /v1/embeddings`."""

    model: str
    input: Inputs
    dimensions: int | None = Field(default=None, ge=1)
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None

    @property
    def inputs(self) -> list[TextOrIds]:
        """Each one, as text or as token ids."""
        return as_list(self.input)
