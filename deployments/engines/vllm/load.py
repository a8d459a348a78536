"""How full the engine is, as vLLM's scheduler reports it after each step."""

from typing import Any

from vllm.config import VllmConfig
from vllm.v1.metrics.loggers import StatLoggerBase
from vllm.v1.metrics.stats import SchedulerStats

_KV_CACHE_FULL = 0.9  # of the cache: above it another request may push one out


class Load:
    """The latest figures of the engine."""

    def __init__(self) -> None:
        self.waiting = 0
        self.kv_cache_usage = 0.0

    def has_room(self) -> bool:
        """Whether another request would run now."""
        return self.waiting == 0 and self.kv_cache_usage < _KV_CACHE_FULL

    def logger(self, config: VllmConfig, index: int = 0) -> StatLoggerBase:
        """What vLLM calls to get a logger for one of its engines."""
        return _LoadLogger(config, index, self)


class _LoadLogger(StatLoggerBase):  # type: ignore[misc]  # vLLM has no types here
    def __init__(self, config: VllmConfig, engine_index: int, load: Load) -> None:
        del config, engine_index
        self._load = load

    def record(self, scheduler_stats: SchedulerStats | None, *_: Any, **__: Any) -> None:
        if scheduler_stats is not None:
            self._load.waiting = scheduler_stats.num_waiting_reqs
            self._load.kv_cache_usage = scheduler_stats.kv_cache_usage

    def log_engine_initialized(self) -> None:
        """Nothing."""
