"""The jobs that good lines become: each with its prompt, or with the fault for which it has none."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from actors.blobs import Blobs
from deployments.batching.lines import Ask
from deployments.ingestion.cards import ModelCard
from deployments.ingestion.door import earlier_payloads
from deployments.prompting.past import NO_PAST, Asked, Past, fetch_pasts
from pipelines.batch_edits import Batch, line_id, line_priority
from pipelines.commands import Payload, Submit
from pipelines.errors import RejectError
from pipelines.jobs import Fault
from pipelines.payloads import EmbeddingRequest, Prompt, Request
from pipelines.ports import Clock
from pipelines.steps import EMBEDDING, LINE


class LineRenderer(Protocol):
    """Prompting's part. Both raise RejectError."""

    def prompt(self, request: Request, past: Past) -> Prompt:
        """The prompt, by the model's chat template."""

    def raw(self, request: Request, text: str | list[int]) -> Prompt:
        """The prompt that is this text, or these token ids, and nothing else."""


class LineDraft(NamedTuple):
    """A line that is about to be a job. Vectors need no prompt."""

    number: int
    ask: Ask
    prompt: Prompt | Fault | None


class LineJobs:
    """Makes them."""

    def __init__(self, *, blobs: Blobs, renderer: LineRenderer, models: Mapping[str, ModelCard], clock: Clock) -> None:
        self._blobs = blobs
        self._renderer = renderer
        self._models = models
        self._clock = clock

    async def draft(self, row: Batch, number: int, ask: Ask) -> LineDraft:
        """A line with its prompt."""
        if isinstance(ask.request, EmbeddingRequest):
            return LineDraft(number, ask, None)
        return LineDraft(number, ask, await self._prompt(row.tenant, ask.request, ask.raw))

    async def commands(self, row: Batch, drafts: Sequence[LineDraft]) -> list[Submit]:
        """The jobs of these lines; what is large of them is put away."""
        data = [draft.ask.request.encode() for draft in drafts]
        prompts = [draft.prompt.encode() for draft in drafts if isinstance(draft.prompt, Prompt)]
        payloads = await self._blobs.pack_many([(row.tenant, each) for each in [*data, *prompts]])
        requests, rendered = payloads[: len(data)], iter(payloads[len(data) :])
        deadline_s = row.expires_at - self._clock.now()
        return [
            self._command(row, draft, request, next(rendered) if isinstance(draft.prompt, Prompt) else None, deadline_s)
            for draft, request in zip(drafts, requests, strict=True)
        ]

    async def _prompt(self, tenant: str, request: Request, raw: str | list[int] | None) -> Prompt | Fault:
        past = (await fetch_pasts(self._blobs, [Asked(tenant, request)]))[0] if request.context else NO_PAST
        try:
            return self._renderer.prompt(request, past) if raw is None else self._renderer.raw(request, raw)
        except RejectError as error:
            return Fault(error.code, str(error))

    def _command(
        self, row: Batch, draft: LineDraft, request: Payload, rendered: Payload | None, deadline_s: float
    ) -> Submit:
        asked = draft.ask.request
        common: dict[str, Any] = {
            "job_id": line_id(row.id, draft.number),
            "tenant": row.tenant,
            "model": asked.model,
            "request": request,
            "deadline_s": deadline_s,
            "priority": line_priority(row.expires_at),
            "part_of": row.id,
        }
        if isinstance(asked, EmbeddingRequest):
            return Submit(pipeline=EMBEDDING, **common)
        return Submit(
            pipeline=LINE,
            max_output_tokens=self._reservation(asked),
            stored=asked.stored,
            parent=draft.ask.parent,
            context=earlier_payloads(asked),
            rendered=rendered,
            fault=draft.prompt if isinstance(draft.prompt, Fault) else None,
            input_tokens=draft.prompt.input_tokens if isinstance(draft.prompt, Prompt) else 0,
            **common,
        )

    def _reservation(self, request: Request) -> int:
        return request.max_output_tokens or self._models[request.model].default_max_output_tokens
