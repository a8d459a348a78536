"""The peer of the engine's benchmarks: a process with nothing but vLLM's `AsyncLLM`, told what to run by its stdin.

Usage: `python -m benchmarks.direct MODEL`. Prints `ready`, then for every line `{"prompts": [...], "max_tokens": n}` a
line `ran {"seconds": ..., "first_token_s": ..., "tokens": ...}`. Ends by SIGTERM.
"""

import asyncio
import contextlib
import json
import signal
import sys
from time import monotonic

from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.async_llm import AsyncLLM

from configs.profiles import ModelProfile, load_profile, model_folder
from deployments.engines.vllm.engine import engine_arguments


class Direct:
    """The engine, and what is measured of it."""

    def __init__(self, profile: ModelProfile) -> None:
        arguments = engine_arguments(
            folder=model_folder(profile),
            context=profile.context,
            slots=profile.slots,
            engine_args=dict(profile.engine_args),
        )
        self._llm = AsyncLLM.from_engine_args(arguments)
        self._runs = 0

    async def run(self, prompts: list[str], max_tokens: int) -> dict[str, float]:
        """Generate for all prompts at once; tokenising is not timed."""
        ids = [self._token_ids(prompt) for prompt in prompts]
        self._runs += 1
        started = monotonic()
        ends = await asyncio.gather(
            *(self._generate(f"{self._runs}-{n}", prompt, max_tokens) for n, prompt in enumerate(ids))
        )
        return {
            "seconds": monotonic() - started,
            "first_token_s": min(first for first, _ in ends) - started,
            "tokens": sum(tokens for _, tokens in ends),
        }

    def close(self) -> None:
        """End the engine's processes, which would outlive this one."""
        self._llm.shutdown()

    def _token_ids(self, prompt: str) -> list[int]:
        messages = [{"role": "user", "content": prompt}]
        ids: list[int] = self._llm.get_tokenizer().apply_chat_template(
            messages, add_generation_prompt=True, return_dict=False
        )
        return ids

    async def _generate(self, name: str, prompt_ids: list[int], max_tokens: int) -> tuple[float, int]:
        """When the first token came, and how many there were."""
        sampling = SamplingParams(temperature=0, max_tokens=max_tokens, output_kind=RequestOutputKind.DELTA)
        first, tokens = 0.0, 0
        async for output in self._llm.generate({"prompt_token_ids": prompt_ids}, sampling, name):
            first = first or monotonic()
            tokens += len(output.outputs[0].token_ids)
        return first, tokens


async def main() -> None:
    """Make the engine, and serve stdin until SIGTERM."""
    direct = Direct(load_profile(sys.argv[1]))
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    serving = loop.create_task(serve(direct, lines))
    loop.add_signal_handler(signal.SIGTERM, serving.cancel)
    print("\nready", flush=True)  # vLLM's processes begin lines here, and may not have ended one
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    finally:
        direct.close()


async def serve(direct: Direct, lines: asyncio.StreamReader) -> None:
    """Do what each line says."""
    async for line in lines:
        print("ran", json.dumps(await direct.run(**json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
