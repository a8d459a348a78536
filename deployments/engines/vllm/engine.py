"""vLLM's `AsyncLLM`, driven with token ids.

- It runs without detokenising: text, stop strings and usage belong to the worker, which rebuilds them after a crash.
- A continuation goes on as if nothing had happened (`resume.py`): in float32 it gives the tokens of the undisturbed
  run, whatever its grammar, penalties and seed; otherwise a valid continuation.
- What the log has completed already never reaches vLLM, which would sample one token more.
"""

import os
from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

from vllm import AsyncEngineArgs, RequestOutput, SamplingParams
from vllm.config import StructuredOutputsConfig
from vllm.exceptions import VLLMClientError
from vllm.platforms import current_platform
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError as VllmEngineDeadError

from deployments.engines.protocol import EngineDeadError, Generation, Tokens
from deployments.engines.vllm import resume
from deployments.engines.vllm.fingerprint import folder_fingerprint
from deployments.engines.vllm.grammars import check_nesting, grammar_error
from deployments.engines.vllm.load import Load
from deployments.engines.vllm.sampling import sampling_params, structured_outputs, token_logprobs
from pipelines.errors import RejectError
from pipelines.payloads import Grammar

_CPU_KV_CACHE_BYTES = 1 << 30  # vLLM's own default takes most of the machine's memory
# Fixed, as with vLLM's own choice the first schema decides for all later ones, on each replica differently, and a
# continuation needs the backend that its log was written with.
_GRAMMAR_BACKEND = "xgrammar"


def engine_arguments(*, folder: Path, context: int, slots: int, engine_args: dict[str, Any]) -> AsyncEngineArgs:
    """What vLLM is told of a model: the profile's own arguments win over ours."""
    memory = {"kv_cache_memory_bytes": _CPU_KV_CACHE_BYTES} if current_platform.is_cpu() else {}
    arguments: dict[str, Any] = {
        "model": str(folder),
        "max_model_len": context,
        "max_num_seqs": slots,
        "scheduling_policy": "priority",
        "disable_log_stats": True,  # vLLM's own loggers; ours is passed beside them
        "scheduler_cls": f"{resume.__name__}.{resume.scheduler.__name__}",
        "worker_extension_cls": f"{resume.__name__}.{resume.WorkerExtension.__name__}",
        **memory,
        **engine_args,
    }
    grammars = {"backend": _GRAMMAR_BACKEND, **arguments.pop("structured_outputs_config", {})}
    return AsyncEngineArgs(**arguments, structured_outputs_config=StructuredOutputsConfig(**grammars))


class VllmEngine:
    """One model in this process; vLLM's engine core and its workers are children of it."""

    can_continue = True

    def __init__(
        self, *, folder: Path, context: int, slots: int, engine_args: dict[str, Any], cores: Collection[int] = ()
    ) -> None:
        """`cores`: the processors that vLLM may choose from on a CPU; those of this process where there are none."""
        self.context = context
        self.step_tokens = 0
        self._cores = cores
        self.fingerprint = folder_fingerprint(folder)
        self._arguments = engine_arguments(folder=folder, context=context, slots=slots, engine_args=engine_args)
        self._load = Load()
        self._running = 0

    async def start(self) -> None:
        """Load the model. Blocks the event loop while it does."""
        with _on(self._cores):
            self._llm = AsyncLLM.from_engine_args(self._arguments, stat_loggers=[self._load.logger])
        await self._llm.collective_rpc(resume.WorkerExtension.resume_requests.__name__)
        self.step_tokens = self._llm.vllm_config.scheduler_config.max_num_batched_tokens
        self._tokenizer = self._llm.get_tokenizer()
        self._stop_ids = self._find_stop_ids()

    async def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        """The tokens after `logged_ids`."""
        if reason := self._ended(generation):
            yield Tokens([], reason)
            return
        self._running += 1
        try:
            async with aclosing(self._outputs(generation)) as outputs:  # closing aborts what still runs
                first = True
                async for output in outputs:
                    yield _tokens(generation, output, first=first)
                    first = False
        except VllmEngineDeadError as error:
            raise EngineDeadError(str(error)) from error
        except VLLMClientError as error:
            raise RejectError(str(error), code="invalid_value") from error
        finally:
            self._running -= 1

    def decode(self, ids: list[int]) -> str:
        """The text of token ids, special ones left out."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def has_room(self) -> bool:
        """Whether the cache has space and nothing waits for it."""
        return self._running == 0 or self._load.has_room()  # figures stand still while nothing runs

    async def close(self) -> None:
        """End vLLM's processes."""
        self._llm.shutdown()

    def _ended(self, generation: Generation) -> str | None:
        """Why the log needs no further token; in the order in which vLLM asks itself."""
        prompt, logged = generation.prompt, generation.logged_ids
        if logged and logged[-1] in self._stop_ids:
            return "stop"
        full = len(prompt.token_ids or []) + len(logged) >= self.context
        return "length" if full or len(logged) >= prompt.max_tokens else None

    def _outputs(self, generation: Generation) -> AsyncGenerator[RequestOutput, None]:
        if generation.prompt.grammar is not None:
            self._check_grammar(generation.prompt.grammar)
        outputs: AsyncGenerator[RequestOutput, None] = self._llm.generate(
            {"prompt_token_ids": generation.prompt.token_ids or []},
            sampling_params(generation),
            generation.request_id,
            priority=-generation.prompt.priority,  # vLLM serves the lowest first
        )
        return outputs

    def _check_grammar(self, grammar: Grammar) -> None:
        """Done by vLLM once more, but a refusal of its own does not say what it refuses."""
        check_nesting(grammar)
        config = self._llm.vllm_config
        try:
            SamplingParams(structured_outputs=structured_outputs(grammar)).verify(
                config.model_config, config.speculative_config, config.structured_outputs_config, self._tokenizer
            )
        except (VLLMClientError, ValueError) as error:
            raise grammar_error(grammar, error) from error

    def _find_stop_ids(self) -> frozenset[int]:
        sampling = SamplingParams()
        fields = self._llm.vllm_config.model_config.try_get_generation_config()
        sampling.update_from_generation_config(fields, self._tokenizer.eos_token_id)
        return frozenset(sampling.all_stop_token_ids)


@contextmanager
def _on(cores: Collection[int]) -> Iterator[None]:
    """Let processes that this thread starts run there."""
    if not cores:
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def _tokens(generation: Generation, output: RequestOutput, *, first: bool) -> Tokens:
    completion, count = output.outputs[0], generation.prompt.top_logprobs
    ids = list(completion.token_ids)
    return Tokens(
        ids,
        _finish_reason(completion.finish_reason),
        logprobs=None if count is None else token_logprobs(ids, completion.logprobs or [], count),
        cached_tokens=(output.num_cached_tokens or 0) if first else 0,
    )


def _finish_reason(reason: str | None) -> str | None:
    if reason not in (None, "stop", "length"):
        raise RuntimeError(f"vLLM ended the generation with {reason!r}")
    return reason
