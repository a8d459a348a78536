"""What a job can hand on to the next: its turn, and the items that it was given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from events.ids import derived_id
from pipelines.jobs import Job, Status
from pipelines.payloads import Message, Request, Turn

Item = dict[str, Any]  # as the Responses API has it


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierTurn:
    """A stored job as a parent. `turn` is None where nothing can go on from it, or not yet."""

    status: Status
    turn: Turn | None
    context: Sequence[Turn] = ()  # that the job itself went on from, oldest first
    before: Sequence[Item] = ()  # items between those and its input
    rendered: str | None = None  # the reference of its prompt


def earlier_turn(job: Job, request: Request) -> EarlierTurn:
    """The job as a parent."""
    return EarlierTurn(
        status=job.status,
        turn=Turn(request=str(job.request), result=str(job.result)) if job.continuable else None,
        context=request.context,
        before=request.before,
        rendered=str(job.rendered) if job.rendered else None,
    )


def input_of(job_id: str, request: Request) -> list[Item]:
    """The items that the job was given; those of a template are not told."""
    if request.input is not None:
        return request.input
    messages = enumerate(request.messages or [])
    return [_message(derived_id("input", job_id, index), message) for index, message in messages]


def _message(item_id: str, message: Message) -> Item:
    kind = "output_text" if message.role == "assistant" else "input_text"
    content = [{"type": kind, "text": message.content}]
    return {"id": item_id, "type": "message", "role": message.role, "status": "completed", "content": content}
