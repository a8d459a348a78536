"""The one place that wires: plain classes put together, for a replica or for `monolith.py`.

`deployments/serving.py` wraps what is made here into Serve applications; nothing here knows Ray.
"""

import logging
import os
from collections.abc import Container, Iterable
from typing import Any

from actors.blobs import Blobs
from actors.journal.limits import Limits, TenantLimits
from actors.journal.protocol import JournalApi, Worker
from actors.journal.retention import Retention
from actors.token_log.protocol import TokenLogApi
from configs.profiles import ModelProfile, endpoint_key, load_profile, model_folder
from configs.settings import MonolithSettings, PlaneSettings, engine_cores, prompts_folder
from deployments.engines.protocol import Engine
from deployments.engines.scripted import ScriptedEngine
from deployments.history.history import History, HistoryApi
from deployments.inference.direct import DirectLane
from deployments.inference.language import EngineLanguage, Interpreters, Language
from deployments.inference.worker import InferenceWorker
from deployments.ingestion.cards import ModelCard
from deployments.ingestion.service import IngestionService
from deployments.prompting.renderer import PromptModel, PromptRenderer
from deployments.prompting.templates import Templates
from deployments.prompting.tokenizers import ChatTokenizer, WordCounter
from deployments.prompting.worker import PromptWorker
from pipelines.ports import Ports
from pipelines.steps import PROMPTING_TOPIC, inference_topic, line_topic

log = logging.getLogger("heliograph")
PROMPTING_SLOTS = 256  # prompts rendered at once, at the most
PROMPTING_LIMIT_S = 60.0  # for a batch of prompts


def make_engine(profile: ModelProfile) -> Engine:
    """The engine that a profile asks for. Raises LookupError where a key, FileNotFoundError where files are missing."""
    match profile.engine:
        case "scripted":
            return ScriptedEngine(context=profile.context, default_tokens=profile.default_max_output_tokens)
        case "vllm":
            return _vllm_engine(profile)
        case _:
            return _remote_engine(profile)


def _remote_engine(profile: ModelProfile) -> Engine:
    arguments: dict[str, Any] = {
        "url": profile.endpoint,
        "model": profile.source or profile.name,
        "key": endpoint_key(profile),
        "context": profile.context,
        "slots": profile.slots,
    }
    # Each SDK takes a second to import, and only its own workers need it.
    if profile.engine == "openai":
        from deployments.engines.openai import OpenAIEngine  # noqa: PLC0415

        return OpenAIEngine(**arguments)
    from deployments.engines.anthropic import AnthropicEngine  # noqa: PLC0415

    return AnthropicEngine(**arguments)


def _vllm_engine(profile: ModelProfile) -> Engine:
    folder = model_folder(profile)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing: run `heliograph model add {profile.name}`")
    from deployments.engines.vllm.engine import VllmEngine  # noqa: PLC0415 - takes seconds, and only its workers need it

    return VllmEngine(
        folder=folder,
        context=profile.context,
        slots=profile.slots,
        engine_args=dict(profile.engine_args),
        cores=engine_cores(),
    )


def make_renderer(models: Iterable[str]) -> PromptRenderer:
    """What renders and counts the prompts of these models."""
    profiles = [load_profile(name) for name in models]
    return PromptRenderer(
        templates=Templates(prompts_folder()), models={profile.name: _prompt_model(profile) for profile in profiles}
    )


def make_prompt_worker(models: Iterable[str], *, journal: JournalApi, blobs: Blobs, ports: Ports) -> PromptWorker:
    """The worker that renders for these models."""
    return PromptWorker(
        renderer=make_renderer(models), slots=PROMPTING_SLOTS, journal=journal, blobs=blobs, ports=ports
    )


def make_inference_worker(
    profile: ModelProfile, engine: Engine, *, journal: JournalApi, token_log: TokenLogApi, blobs: Blobs, ports: Ports
) -> InferenceWorker:
    """The worker of a model around a started engine."""
    return InferenceWorker(
        model=profile.name,
        engine=engine,
        slots=profile.slots,
        journal=journal,
        token_log=token_log,
        blobs=blobs,
        ports=ports,
        on_engine_death=end_process,
        interpreters=Interpreters(_language(profile, engine)),
    )


def make_history(*, journal: JournalApi, token_log: TokenLogApi, blobs: Blobs, ports: Ports) -> History:
    """What answers for jobs, conversations and templates; those of the configuration are built in."""
    templates = Templates(prompts_folder())
    return History(journal=journal, token_log=token_log, blobs=blobs, ports=ports, templates=templates)


def make_lane(profile: ModelProfile, engine: Engine, worker: InferenceWorker, *, ports: Ports) -> DirectLane:
    """What serves direct requests on a worker's engine, in its slots."""
    return DirectLane(
        model=profile.name,
        engine=engine,
        interpreters=worker.interpreters,
        slots=worker.slots,
        ports=ports,
        on_engine_death=end_process,
    )


def make_ingestion(  # noqa: PLR0913 - one per part
    models: Iterable[str],
    *,
    journal: JournalApi,
    token_log: TokenLogApi,
    blobs: Blobs,
    history: HistoryApi,
    renderer: PromptRenderer,
    on_demand: Container[str] = (),
    searches: bool = False,
    ports: Ports,
    handle: object = None,
) -> IngestionService:
    """What accepts jobs for these models; those `on_demand` need no worker to be ready.

    `searches`: there is knowledge to ask. `handle`: of this process.
    """
    return IngestionService(
        journal=journal,
        token_log=token_log,
        blobs=blobs,
        history=history,
        renderer=renderer,
        models=make_cards(models, on_demand),
        ports=ports,
        searches=searches,
        handle=handle,
    )


def make_cards(models: Iterable[str], on_demand: Container[str] = ()) -> dict[str, ModelCard]:
    """What is known of these models, by name."""
    profiles = [load_profile(name) for name in models]
    return {
        profile.name: ModelCard(
            name=profile.name,
            context=profile.context,
            default_max_output_tokens=profile.default_max_output_tokens,
            scales_to_zero=profile.name in on_demand,
        )
        for profile in profiles
    }


def _language(profile: ModelProfile, engine: Engine) -> Language:
    parsers = {"tool_parser": profile.tool_parser, "reasoning_parser": profile.reasoning_parser}
    if profile.engine != "vllm":
        return EngineLanguage(engine, **parsers)
    from deployments.engines.vllm.parsers import VllmLanguage  # noqa: PLC0415 - as above

    return VllmLanguage(model_folder(profile), **parsers)


def _prompt_model(profile: ModelProfile) -> PromptModel:
    return PromptModel(
        context=profile.context,
        default_max_output_tokens=profile.default_max_output_tokens,
        tokenizer=ChatTokenizer(model_folder(profile)) if profile.engine == "vllm" else WordCounter(),
        tool_parser=profile.tool_parser,
        calls_apart=profile.engine in {"openai", "anthropic"},
    )


def prompting_seat(worker_id: str, handle: object = None) -> Worker:
    """How a prompt worker registers."""
    return Worker(
        id=worker_id,
        topic=PROMPTING_TOPIC,
        slots=PROMPTING_SLOTS,
        handle=handle,
        attempt_limit_s=PROMPTING_LIMIT_S,
    )


def inference_seat(worker_id: str, profile: ModelProfile, engine: Engine, handle: object = None) -> Worker:
    """How an inference worker registers."""
    return Worker(
        id=worker_id,
        topic=inference_topic(profile.name),
        line_topic=line_topic(profile.name),
        slots=profile.slots,
        engine_fingerprint=engine.fingerprint,
        can_continue=engine.can_continue,
        handle=handle,
        attempt_limit_s=profile.attempt_limit_s,
    )


def limits_of(settings: PlaneSettings | MonolithSettings) -> Limits:
    """What the journal is limited by."""
    return Limits(
        backlog=settings.backlog_limit,
        token_budgets=settings.token_budgets,
        tenants={name: TenantLimits(limits.jobs, limits.steps) for name, limits in settings.tenant_limits.items()},
        retention=Retention(settings.retention_s, settings.retention_bytes),
    )


def end_process() -> None:
    """The engine is dead: end visibly and release nothing, so that the death counts."""
    log.critical("the engine is dead; this process ends")
    os._exit(1)
