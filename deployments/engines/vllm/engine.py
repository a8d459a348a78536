"""vLLM's `AsyncLLM`, driven with token ids.

- It runs without detokenising: text, stop strings and usage belong to the worker, which rebuilds them after a crash.
- A continuation sends prompt and logged tokens as the prompt. With temperature 0 in float32 that gives the
  tokens of the undisturbed run; otherwise a valid continuation.
- No seed is passed: on CPU a seeded request whose prompt is prefilled in chunks ends the engine for all.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from vllm import AsyncEngineArgs, RequestOutput, SamplingParams
from vllm.exceptions import VLLMClientError
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError as VllmEngineDeadError

from deployments.engines.protocol import EngineDeadError, Generation, Tokens
from deployments.engines.vllm.fingerprint import folder_fingerprint
from deployments.engines.vllm.load import Load
from pipelines.errors import RejectError

_CPU_KV_CACHE_BYTES = 1 << 30  # vLLM's own default takes most of the machine's memory
_LEAST_TOP_P = 1e-6  # clients may ask for 0, the likeliest token alone; vLLM refuses it


def engine_arguments(*, folder: Path, context: int, slots: int, engine_args: dict[str, Any]) -> AsyncEngineArgs:
    """What vLLM is told of a model: the profile's own arguments win over ours."""
    memory = {"kv_cache_memory_bytes": _CPU_KV_CACHE_BYTES} if current_platform.is_cpu() else {}
    arguments: dict[str, Any] = {
        "model": str(folder),
        "max_model_len": context,
        "max_num_seqs": slots,
        "scheduling_policy": "priority",
        "disable_log_stats": True,  # vLLM's own loggers; ours is passed beside them
        **memory,
        **engine_args,
    }
    return AsyncEngineArgs(**arguments)


class VllmEngine:
    """One model in this process; vLLM's engine core and its workers are children of it."""

    can_continue = True

    def __init__(self, *, folder: Path, context: int, slots: int, engine_args: dict[str, Any]) -> None:
        self.context = context
        self.fingerprint = folder_fingerprint(folder)
        self._arguments = engine_arguments(folder=folder, context=context, slots=slots, engine_args=engine_args)
        self._load = Load()
        self._running = 0

    async def start(self) -> None:
        """Load the model. Blocks the event loop while it does."""
        self._llm = AsyncLLM.from_engine_args(self._arguments, stat_loggers=[self._load.logger])
        self._tokenizer = self._llm.get_tokenizer()

    async def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        """The tokens after `logged_ids`."""
        remaining = generation.prompt.max_tokens - len(generation.logged_ids)
        if remaining <= 0:  # asked for nothing, vLLM would still sample one token
            yield Tokens([], "length")
            return
        self._running += 1
        try:
            async with aclosing(self._outputs(generation, remaining)) as outputs:  # closing aborts what still runs
                async for output in outputs:
                    completion = output.outputs[0]
                    yield Tokens(list(completion.token_ids), _finish_reason(completion.finish_reason))
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

    def _outputs(self, generation: Generation, max_tokens: int) -> AsyncGenerator[RequestOutput, None]:
        prompt = generation.prompt
        sampling = SamplingParams(
            temperature=prompt.temperature,
            top_p=max(prompt.top_p, _LEAST_TOP_P),
            max_tokens=max_tokens,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
        )
        outputs: AsyncGenerator[RequestOutput, None] = self._llm.generate(
            {"prompt_token_ids": (prompt.token_ids or []) + generation.logged_ids},
            sampling,
            generation.request_id,
            priority=-prompt.priority,  # vLLM serves the lowest first
        )
        return outputs


def _finish_reason(reason: str | None) -> str | None:
    if reason not in (None, "stop", "length"):
        raise RuntimeError(f"vLLM ended the generation with {reason!r}")
    return reason
