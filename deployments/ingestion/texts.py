"""A text, token ids, or a list of either: what Completions and Embeddings are about."""

from typing import Annotated, Any, TypeAlias

from pydantic import Field

TokenId = Annotated[int, Field(ge=0, lt=2**31)]
Text = Annotated[str, Field(min_length=1)]
Ids = Annotated[list[TokenId], Field(min_length=1)]
TextOrIds: TypeAlias = str | list[int]


def kind_of(value: Any) -> str | None:
    """The tag of a union of the four."""
    if isinstance(value, str):
        return "<string>"
    if not isinstance(value, list) or not value:
        return None
    return {str: "<strings>", int: "<ids>", list: "<lists>"}.get(type(value[0]))


def as_list(value: str | list[str] | list[int] | list[list[int]]) -> list[TextOrIds]:
    """Each one, as text or as token ids."""
    one = isinstance(value, str) or isinstance(value[0], int)
    texts: list[Any] = [value] if one else list(value)
    return texts
