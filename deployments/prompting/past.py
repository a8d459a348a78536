"""What came before a request: the turns that it goes on from, the prompt of the last of them, and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from actors.blobs import Blobs
from pipelines.jobs import Reference, parse_reference
from pipelines.payloads import Context, Prompt, Request, Result


class PastTurn(NamedTuple):
    """An earlier request and what came of it."""

    request: Request
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Turns, oldest first; `parent` is the last one's prompt, where it is known."""

    turns: Sequence[PastTurn] = ()
    parent: Prompt | None = None
    found: Context | None = None
    size: int = 0  # bytes of all payloads

    def token_ids(self) -> list[int]:
        """The parent's prompt and all that its model made of it; [] where that is not known."""
        if self.parent is None or not self.turns:
            return []
        return [*(self.parent.token_ids or []), *self.turns[-1].result.token_ids]


NO_PAST = Past()


class Asked(NamedTuple):
    """A request of a tenant, and what was found for it: its reference, with the payload where that is at hand."""

    tenant: str
    request: Request
    found: Reference | None = None
    payload: bytes | None = None

    def wanted(self) -> list[tuple[str, Reference, bytes | None]]:
        """What is to be fetched for it."""
        turns = [(self.tenant, reference, None) for reference in _references(self.request)]
        return [*turns, (self.tenant, self.found, self.payload)] if self.found else [*turns]


async def fetch_pasts(blobs: Blobs, requests: Sequence[Asked]) -> list[Past]:
    """The past of each request; all of it in one call."""
    wanted = [each for asked in requests for each in asked.wanted()]
    data = iter(await blobs.get_many(wanted) if wanted else ())
    return [
        _past(asked.request, [next(data) for _ in _references(asked.request)], next(data) if asked.found else None)
        for asked in requests
    ]


def _references(request: Request) -> list[Reference]:
    texts = [text for turn in request.context for text in (turn.request, turn.result)]
    if request.parent_rendered and request.context:
        texts.append(request.parent_rendered)
    return [parse_reference(text) for text in texts]


def _past(request: Request, data: Sequence[bytes], found: bytes | None) -> Past:
    pairs: list[tuple[Any, Any]] = [(data[2 * i], data[2 * i + 1]) for i in range(len(request.context))]
    turns = [PastTurn(Request.model_validate_json(asked), Result.model_validate_json(out)) for asked, out in pairs]
    parent = Prompt.model_validate_json(data[-1]) if len(data) > 2 * len(turns) else None
    return Past(
        turns=turns,
        parent=parent,
        found=Context.model_validate_json(found) if found else None,
        size=sum(map(len, (*data, found or b""))),
    )
