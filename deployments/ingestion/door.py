"""Where jobs come in: a request is checked, its payload put away, and the job submitted.

Invariants: an id is returned only after its event is on disk; nothing is enqueued for a request that is refused.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from actors.blobs import Blobs
from actors.coalescer import Coalescer
from actors.crash_points import crash_point
from actors.journal.protocol import JournalApi
from actors.sharding import ShardedCoalescer
from actors.telemetry.tracing import new_traceparent
from deployments.file_search import pipeline_of
from deployments.history.conversations import UnknownConversationError
from deployments.ingestion.bodies import DEFAULT_DEADLINE_S, GenerateBody
from deployments.ingestion.cards import ModelCard, Renderer
from deployments.ingestion.errors import CONVERSATION_LOCKED, ApiError, api_error, over_budget, too_many
from deployments.ingestion.search_check import SearchCheck
from events.ids import named_shard
from pipelines.commands import INLINE_BYTES, Answer, Key, Payload, Submit, Verdict
from pipelines.errors import RejectError
from pipelines.jobs import Reference, Status, parse_reference
from pipelines.payloads import Prompt, Request
from pipelines.ports import Ports
from pipelines.steps import BULK, GENERATE

log = logging.getLogger("heliograph")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who asks and how. `size` is that of the body in bytes; `parent` a job whose result is gone on from."""

    tenant: str
    size: int
    traceparent: str = ""
    key: Key | None = None
    deadline_s: float = DEFAULT_DEADLINE_S
    attached_to: str = ""
    parent: str = ""


class Accepted(NamedTuple):
    """A job that is on disk; `replayed` where an earlier request with the same idempotency key had made it."""

    job_id: str
    status: Status
    replayed: bool = False


class Asked(NamedTuple):
    """One of the jobs that come together, with the idempotency key that is its own."""

    body: GenerateBody
    key: Key | None = None


class Door:
    """Accepts jobs. Raises ApiError, RejectError, TransientError."""

    def __init__(
        self,
        *,
        journal: JournalApi,
        blobs: Blobs,
        renderer: Renderer,
        models: Mapping[str, ModelCard],
        ports: Ports,
        searches: bool = False,
    ) -> None:
        self._searches = SearchCheck(journal, ports, possible=searches)
        self._models = models
        self._blobs = blobs
        self._renderer = renderer
        self._ports = ports
        self._journal = journal
        self._files: Coalescer[tuple[str, bytes], Payload] = Coalescer(blobs.pack_many, name="blobs", ports=ports)
        self._submits: ShardedCoalescer[Submit, Answer] = ShardedCoalescer(
            journal.submit, shard=lambda command: named_shard(command.job_id), name="submit", ports=ports
        )

    async def accept(self, request: Request, call: Call) -> Accepted:
        """Check a request, then submit it. Returns once the job is on disk."""
        return await self.submit(await self.prepare(request, call), call)

    async def submit(self, command: Submit, call: Call) -> Accepted:
        """Submit what was prepared. After a TransientError the job may be on disk all the same."""
        started = self._ports.clock.now()
        crash_point("ingestion.submit.before")
        (answer,) = await self._submits.do([command])
        crash_point("ingestion.submit.after")
        return self._accepted(command, call, answer, started)

    async def accept_many(self, asked: Sequence[Asked], call: Call) -> list[str | ApiError]:
        """An id for each, which is on disk, or why it is refused. Raises TransientError where nobody knows which."""
        data = [each.body.payload() for each in asked]
        flaws = [
            None if self._surely_fits(each.body, len(body)) else await self._flaw(each.body, call, len(body))
            for each, body in zip(asked, data, strict=True)
        ]
        good = [place for place, flaw in enumerate(flaws) if flaw is None]
        payloads = await self._blobs.pack_many([(call.tenant, data[place]) for place in good])
        shard = self._journal.home(call.tenant)
        commands = [
            self._one_of_many(asked[place], call, payload, shard) for place, payload in zip(good, payloads, strict=True)
        ]
        started = self._ports.clock.now()
        answers = zip(commands, await self._journal.submit(commands) if commands else [], strict=True)
        results = iter([self._result(command, call, answer, started) for command, answer in answers])
        return [flaw or next(results) for flaw in flaws]

    async def prepare(self, request: Request, call: Call) -> Submit:
        """Check a request, and put its payload away where it is large. A plain one gets its prompt."""
        data = request.encode()
        plain = _is_plain(request) and len(data) <= INLINE_BYTES
        await self._check(request, call, count=not plain)
        prompt = await self._prompt(request, call) if plain else None
        command = self._command(request, call, await self._pack(call.tenant, data))
        if prompt is None:
            return command
        rendered = await self._pack(call.tenant, prompt.encode())
        return command._replace(rendered=rendered, input_tokens=prompt.input_tokens)

    def _result(self, command: Submit, call: Call, answer: Answer, started: float) -> str | ApiError:
        try:
            return self._accepted(command, call, answer, started).job_id
        except ApiError as error:
            return error

    def _accepted(self, command: Submit, call: Call, answer: Answer, started: float) -> Accepted:
        refuse(answer, command.conversation)
        if answer.verdict is not Verdict.DONE or answer.status is None:
            raise RuntimeError(f"the journal refused {command.job_id}: {answer.verdict} {answer.detail}")
        if self._ports.tracer.enabled:
            self._trace(command, started, root=command.traceparent != call.traceparent)
        return Accepted(answer.job_id or command.job_id, answer.status, replayed=bool(answer.job_id))

    def _surely_fits(self, body: GenerateBody, size: int) -> bool:
        """Whether nothing about it needs a closer look; so it is with nearly all."""
        card = self._models.get(body.model)
        return card is not None and body.template is None and _is_short(size, body.max_output_tokens, card)

    async def _flaw(self, body: GenerateBody, call: Call, size: int) -> ApiError | None:
        try:
            await self._check(body.request(), replace(call, size=size))
        except (ApiError, RejectError) as error:
            return api_error(error)
        return None

    def _one_of_many(self, asked: Asked, call: Call, payload: Payload, shard: int) -> Submit:
        body, key = asked
        return Submit(
            job_id=self._ports.ids.new("resp", shard),
            tenant=call.tenant,
            pipeline=BULK,
            model=body.model,
            request=payload,
            deadline_s=body.deadline_s,
            priority=body.priority,
            traceparent=traceparent_of(call.traceparent, self._ports),
            key=key,
            max_output_tokens=body.max_output_tokens or self._models[body.model].default_max_output_tokens,
        )

    def _command(self, request: Request, call: Call, payload: Payload) -> Submit:
        return Submit(
            job_id=self._ports.ids.new("resp", self._journal.home(call.tenant)),
            tenant=call.tenant,
            pipeline=pipeline_of(request),
            model=request.model,
            request=payload,
            deadline_s=call.deadline_s,
            priority=request.priority,
            traceparent=traceparent_of(call.traceparent, self._ports),
            key=call.key,
            max_output_tokens=self._reservation(request),
            attached_to=call.attached_to,
            stored=request.stored,
            parent=call.parent,
            context=earlier_payloads(request),
            conversation=request.conversation or "",
        )

    async def _check(self, request: Request, call: Call, *, count: bool = True) -> None:
        """`count`: whether nobody else finds out if it has room."""
        size, card = call.size, self._models.get(request.model)
        if card is None:
            raise unknown_model(request.model)
        if request.template is not None:
            size = sum(len(message.content.encode()) for message in self._renderer.messages(request))
        if count and not _is_short(size, request.max_output_tokens, card):
            await self._ports.run_blocking(lambda: self._renderer.check_length(request))
        await self._searches.check(call.tenant, request)

    async def _prompt(self, request: Request, call: Call) -> Prompt | None:
        """None where it cannot be told what is wrong: then prompting tries, as often as any step is tried."""
        try:
            if _is_short(call.size, request.max_output_tokens, self._models[request.model]):
                return self._renderer.prompt(request)
            prompt: Prompt = await self._ports.run_blocking(lambda: self._renderer.prompt(request))
        except RejectError:
            raise
        except Exception:
            log.exception("rendering failed, and is left to prompting", extra={"model": request.model})
            return None
        return prompt

    def _reservation(self, request: Request) -> int:
        """What a budget must have left for it: the most that it may generate."""
        return request.max_output_tokens or self._models[request.model].default_max_output_tokens

    async def _pack(self, tenant: str, data: bytes) -> Payload:
        if len(data) > INLINE_BYTES:
            return (await self._files.do([(tenant, data)]))[0]
        return (await self._blobs.pack_many([(tenant, data)]))[0]

    def _trace(self, command: Submit, started: float, *, root: bool) -> None:
        now = self._ports.clock.now()
        self._ports.tracer.span("submit", command.traceparent, started, now, {"job": command.job_id}, root=root)


def _is_plain(request: Request) -> bool:
    """Whether its prompt needs no template of ours, no earlier turn and no search."""
    return request.template is None and not request.context and pipeline_of(request) == GENERATE


def _is_short(size: int, max_output_tokens: int | None, card: ModelCard) -> bool:
    """Whether so many bytes have room for sure: a token has at least one."""
    return size + (max_output_tokens or 1) <= card.context


def refuse(answer: Answer, conversation: str = "") -> None:
    """Raise ApiError where the journal did not accept a job, which may be one that adds to a conversation."""
    match answer.verdict:
        case Verdict.FULL:
            raise ApiError(429, "Too many jobs are waiting. Please try again later.", "rate_limit_exceeded")
        case Verdict.TOO_MANY:
            raise too_many()
        case Verdict.OVER_BUDGET:
            raise over_budget()
        case Verdict.CONFLICT:
            raise ApiError(409, "This Idempotency-Key was used for another request.", "idempotency_conflict")
        case Verdict.LOCKED:
            raise locked(conversation)
        case Verdict.UNKNOWN if conversation:
            raise UnknownConversationError(conversation)
        case Verdict.PARENT:
            message = "The previous response is no longer there."
            raise ApiError(400, message, "previous_response_not_found", "previous_response_id")


def locked(conversation: str = "") -> ApiError:
    """A conversation takes one response at a time."""
    which = f"conversation '{conversation}'" if conversation else "response's conversation"
    return ApiError(409, f"Another response is being added to the {which}.", CONVERSATION_LOCKED, "conversation")


def traceparent_of(given: str, ports: Ports) -> str:
    """What the client gave, where that is one; a new one otherwise."""
    return given if _TRACEPARENT.fullmatch(given) else new_traceparent(ports.random)


def unknown_model(name: str) -> ApiError:
    """There is no such model."""
    return ApiError(404, f"The model '{name}' does not exist.", "model_not_found", "model")


def earlier_payloads(request: Request) -> tuple[Reference, ...]:
    """The payloads of the earlier turns, which must stay as long as this job."""
    texts = [text for turn in request.context for text in (turn.request, turn.result)]
    if request.parent_rendered is not None:
        texts.append(request.parent_rendered)
    return tuple(dict.fromkeys(map(parse_reference, texts)))
