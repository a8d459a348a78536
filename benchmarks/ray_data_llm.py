"""The peer of the batches: `ray.data.llm` on a Ray of its own, told what to run by its stdin.

Usage: `python -m benchmarks.ray_data_llm MODEL`. Prints `ready`, then for every line `{"prompts": [...],
"max_tokens": n}` a line `ran {"seconds": ..., "tokens": ...}`. Its engine lives as long as one dataset, so the clock is
the engine's: from when it hears of the first prompt until it has made the last token; loading the model is not in it.
Ends by SIGTERM.
"""

import json
import signal
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from configs.profiles import load_profile, model_folder
from heliograph.local_ray import local_ray


class Offline(NamedTuple):
    """A model on `ray.data.llm`, as it comes, with our engine's arguments and one replica."""

    model: str

    def run(self, prompts: Sequence[str], max_tokens: int) -> dict[str, float]:
        """Generate for all prompts."""
        import ray  # noqa: PLC0415 - `local_ray` is to import ray first

        rows = [{"prompt": prompt} for prompt in prompts]
        told = self._processor(max_tokens)(ray.data.from_items(rows)).take_all()
        if len(told) != len(prompts):
            raise RuntimeError(f"{len(prompts)} prompts, {len(told)} answers")
        times = [row["metrics"] for row in told]
        seconds = max(time["last_token_ts"] for time in times) - min(time["queued_ts"] for time in times)
        return {"seconds": seconds, "tokens": sum(row["num_generated_tokens"] for row in told)}

    def _processor(self, max_tokens: int) -> Any:
        from ray.data.llm import build_processor, vLLMEngineProcessorConfig  # noqa: PLC0415 - as above

        from benchmarks.peers.ray_llm import engine_kwargs  # noqa: PLC0415 - as above

        config = vLLMEngineProcessorConfig(
            model_source=str(model_folder(load_profile(self.model))),
            engine_kwargs={**engine_kwargs(self.model), "disable_log_stats": False},  # its clock
            placement_group_config={"bundle_per_worker": {"CPU": 1}},
        )
        sampling = {"temperature": 0, "max_tokens": max_tokens}
        return build_processor(
            config,
            preprocess=lambda row: {
                "messages": [{"role": "user", "content": row["prompt"]}],
                "sampling_params": sampling,
            },
            postprocess=lambda row: {key: row[key] for key in ("metrics", "num_generated_tokens")},
        )


def main() -> None:
    """Serve stdin until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with local_ray({}, dashboard=False):
        offline = Offline(sys.argv[1])
        print("ready", flush=True)
        for line in sys.stdin:
            print("ran", json.dumps(offline.run(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
