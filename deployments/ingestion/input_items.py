"""The items that a client may send as input, and the one form in which they are kept.

Invariants: a kept item has an id, a status and parts, as OpenAI shows it; and it holds text only.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from deployments.ingestion.bodies import Body
from pipelines.ports import Ids

Item = dict[str, Any]  # as it is kept
ItemId = Annotated[str, Field(min_length=1, max_length=128)]
CallId = Annotated[str, Field(min_length=1, max_length=256)]
ItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]
_ONLY_TEXT = "Content can only be text: parts of type 'input_text', 'output_text' and 'refusal'."
_KINDS = (
    "Items can be of type 'message', 'function_call', 'function_call_output', 'file_search_call', 'reasoning' and "
    "'item_reference'."
)
_ID_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "file_search_call": "fs",
    "reasoning": "rs",
}


class TextPart(Body):
    """Text, of whoever the message is."""

    type: Literal["input_text", "output_text", "text"]
    text: str


class RefusalPart(Body):
    """The model's refusal."""

    type: Literal["refusal"]
    refusal: str


def _part_kind(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "refusal":
        return "<refusal>"
    return "<text>" if kind in ("input_text", "output_text", "text") else None


Part = Annotated[
    Annotated[TextPart, Tag("<text>")] | Annotated[RefusalPart, Tag("<refusal>")],
    Discriminator(_part_kind, custom_error_type="invalid_value", custom_error_message=_ONLY_TEXT),
]


def _text_or_list(value: Any) -> str:
    return "<string>" if isinstance(value, str) else "<list>"


Content = Annotated[
    Annotated[str, Tag("<string>")] | Annotated[list[Part], Tag("<list>")], Discriminator(_text_or_list)
]


Output = Annotated[
    Annotated[str, Tag("<string>")] | Annotated[list[TextPart], Tag("<list>")], Discriminator(_text_or_list)
]


class MessageItem(Body):
    """A turn; the easy form has no `type`."""

    type: Literal["message"] = "message"
    id: ItemId | None = None
    role: Literal["user", "assistant", "system", "developer"]
    content: Content
    status: ItemStatus | None = None

    def kept(self) -> Item:
        """Without its id."""
        parts = [TextPart(type="text", text=self.content)] if isinstance(self.content, str) else self.content
        return {
            "type": "message",
            "role": self.role,
            "status": self.status or "completed",
            "content": [_kept_part(part, self.role) for part in parts],
        }


class FunctionCallItem(Body):
    """A call that the model made."""

    type: Literal["function_call"]
    id: ItemId | None = None
    call_id: CallId
    name: Annotated[str, Field(min_length=1, max_length=128)]
    arguments: str
    status: ItemStatus | None = None

    def kept(self) -> Item:
        """Without its id."""
        return {
            "type": "function_call",
            "call_id": self.call_id,
            "name": self.name,
            "arguments": self.arguments,
            "status": self.status or "completed",
        }


class FunctionCallOutputItem(Body):
    """What came of a call."""

    type: Literal["function_call_output"]
    id: ItemId | None = None
    call_id: CallId
    output: Output
    status: ItemStatus | None = None

    def kept(self) -> Item:
        """Without its id."""
        output = self.output if isinstance(self.output, str) else [_kept_part(part, "user") for part in self.output]
        return {
            "type": "function_call_output",
            "call_id": self.call_id,
            "output": output,
            "status": self.status or "completed",
        }


class FileSearchItem(Body):
    """An earlier search. What it found stands in the answer that followed, as far as it counted."""

    type: Literal["file_search_call"]
    id: ItemId | None = None
    queries: list[str] = Field(default_factory=list)
    status: Literal["in_progress", "searching", "completed", "incomplete", "failed"] | None = None

    def kept(self) -> Item:
        """Without its id and its results."""
        return {
            "type": "file_search_call",
            "queries": self.queries,
            "results": None,
            "status": self.status or "completed",
        }


class SummaryText(Body):
    """A part of a summary of thoughts."""

    type: Literal["summary_text"]
    text: str


class ReasoningText(Body):
    """A part of thoughts."""

    type: Literal["reasoning_text"]
    text: str


class ReasoningItem(Body):
    """What the model thought."""

    type: Literal["reasoning"]
    id: ItemId | None = None
    summary: list[SummaryText] = Field(default_factory=list)
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: ItemStatus | None = None

    def kept(self) -> Item:
        """Without its id."""
        return {
            "type": "reasoning",
            "summary": [part.model_dump() for part in self.summary],
            "content": [part.model_dump() for part in self.content or []],
            "encrypted_content": self.encrypted_content,
            "status": self.status or "completed",
        }


class ItemReference(Body):
    """An item that is stored already; it stands where the reference is."""

    type: Literal["item_reference"] | None = None
    id: ItemId


def _item_kind(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "<message>"
    kind = value.get("type")
    if kind is None:
        return "<message>" if "role" in value or "id" not in value else "<item_reference>"
    known = isinstance(kind, str) and (kind in _ID_PREFIXES or kind == "item_reference")
    return f"<{kind}>" if known else None


InputItem = Annotated[
    Annotated[MessageItem, Tag("<message>")]
    | Annotated[FunctionCallItem, Tag("<function_call>")]
    | Annotated[FunctionCallOutputItem, Tag("<function_call_output>")]
    | Annotated[FileSearchItem, Tag("<file_search_call>")]
    | Annotated[ReasoningItem, Tag("<reasoning>")]
    | Annotated[ItemReference, Tag("<item_reference>")],
    Discriminator(_item_kind, custom_error_type="invalid_value", custom_error_message=_KINDS),
]


def _said(value: Any) -> Any:
    if value == "":
        raise PydanticCustomError("invalid_value", "The input is empty.")
    return value


Input = Annotated[
    Annotated[str, Tag("<string>")] | Annotated[list[InputItem], Tag("<list>")],
    Discriminator(_text_or_list),
    BeforeValidator(_said),
]


def kept_items(given: Sequence[Any] | str, ids: Ids) -> list[Item]:
    """Input as it is kept. A lone text is what the user said; a reference keeps its id and has no content yet."""
    items = [MessageItem(role="user", content=given)] if isinstance(given, str) else given
    return [_kept(item, ids) for item in items]


def references(items: Sequence[Item]) -> list[str]:
    """The ids of the items that are only referred to."""
    return [item["id"] for item in items if item["type"] == "item_reference"]


def kept_messages(messages: Iterable[Mapping[str, Any]], ids: Ids) -> list[Item]:
    """Messages of a template, as input is kept."""
    return [_kept(MessageItem(role=message["role"], content=message["content"]), ids) for message in messages]


def orphaned_output(items: Sequence[Item]) -> str | None:
    """The call id of the first output of a function that nobody has called before it; None where there is none."""
    called: set[str] = set()
    for item in items:
        if item["type"] == "function_call":
            called.add(item["call_id"])
        elif item["type"] == "function_call_output" and item["call_id"] not in called:
            return str(item["call_id"])
    return None


def _kept(item: Any, ids: Ids) -> Item:
    if isinstance(item, ItemReference):
        return {"type": "item_reference", "id": item.id}
    kept: Item = item.kept()
    return {"id": item.id or ids.new(_ID_PREFIXES[kept["type"]]), **kept}


def _kept_part(part: TextPart | RefusalPart, role: str) -> dict[str, Any]:
    if isinstance(part, RefusalPart):
        return {"type": "refusal", "refusal": part.refusal}
    if role == "assistant":
        return {"type": "output_text", "text": part.text, "annotations": [], "logprobs": []}
    return {"type": "input_text", "text": part.text}
