"""Lets vLLM go on with a generation as if it had never stopped.

A request comes with its original prompt and sampling, and with the ids that its log holds, as `resume_ids` in
`extra_args`. The scheduler takes them for output that it has produced already, as it does with a request that it
preempted. So all that vLLM derives from the output is as it was: grammars, penalties, length, stop tokens, and the
random numbers of a seed. vLLM returns the new tokens alone.

- None of this is a public interface of vLLM. Its version is pinned, and `tests/contract/test_continuation.py` must
  pass before another one is taken.
- A log that is complete must not come here: vLLM would sample one token more.
- A log that breaks its own grammar ends its request, and no other, with an error.
"""

from typing import Any, Self

import torch
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.request import Request, RequestStatus
from vllm.v1.structured_output.backend_types import StructuredOutputGrammar
from vllm.v1.worker import gpu_model_runner
from vllm.v1.worker.gpu_input_batch import CachedRequestState

from deployments.engines.vllm.lifeline import end_with_parent

RESUME_IDS = "resume_ids"


def scheduler(*, vllm_config: VllmConfig, **rest: Any) -> Scheduler:
    """The scheduler that fits; by now vLLM has decided whether it schedules asynchronously."""
    end_with_parent()  # nothing else of ours runs in the process of the engine core
    kind = ResumingAsyncScheduler if vllm_config.scheduler_config.async_scheduling else ResumingScheduler
    return kind(vllm_config=vllm_config, **rest)


def _resume_ids(sampling: SamplingParams | None) -> list[int]:
    arguments = sampling.extra_args if sampling is not None else None
    return list((arguments or {}).get(RESUME_IDS, ()))


class _Resuming:
    def add_request(self, request: Request) -> None:
        if ids := _resume_ids(request.sampling_params):
            request.append_output_token_ids(ids)
            # vLLM asserts for these figures that the prefix cache holds no more than the prompt, and here it may.
            request.prefill_stats = None
        super().add_request(request)  # type: ignore[misc]

    def _try_promote_blocked_waiting_request(self, request: Request) -> bool:
        ids = _resume_ids(request.sampling_params)
        if ids and request.status is RequestStatus.WAITING_FOR_STRUCTURED_OUTPUT_GRAMMAR:
            grammar = request.structured_output_request.grammar
            if grammar is None:  # not compiled yet; asked twice, it might be ready for `super` alone
                return False
            if isinstance(grammar, StructuredOutputGrammar):
                self._replay(request, grammar, ids)
        return bool(super()._try_promote_blocked_waiting_request(request))  # type: ignore[misc]

    def _replay(self, request: Request, grammar: StructuredOutputGrammar, ids: list[int]) -> None:
        """Take the grammar to where the log ends, as if the log had come out of one step.

        Where the engine has a reasoning parser, only what follows the reasoning is the grammar's.
        """
        manager = self.structured_output_manager  # type: ignore[attr-defined]
        manager.should_fill_bitmask(request)  # finds out whether the prompt ends inside the reasoning
        if not manager.should_advance(request, new_token_ids=ids):
            return
        answer = manager.trim_reasoning_for_advance(request, ids)
        if answer and not grammar.accept_tokens(request.request_id, answer):
            request.structured_output_request.grammar = ValueError("the log breaks the grammar")


class ResumingScheduler(_Resuming, Scheduler):  # type: ignore[misc]
    """For synchronous scheduling."""


class ResumingAsyncScheduler(_Resuming, AsyncScheduler):  # type: ignore[misc]
    """For asynchronous scheduling."""


class WorkerExtension:
    """What vLLM adds to the class of its workers."""

    def resume_requests(self) -> None:
        """Make requests begin with the output they have; to be called once vLLM has started, and harmless twice."""
        if self.use_v2_model_runner:  # type: ignore[attr-defined]
            return  # it takes the output, and its place in the random numbers, from what the scheduler sends
        _ResumedState.vocabulary = self.vllm_config.model_config.get_vocab_size()  # type: ignore[attr-defined]
        gpu_model_runner.CachedRequestState = _ResumedState


class _ResumedState(CachedRequestState):  # type: ignore[misc]
    """A request in the worker of vLLM's first model runner, which takes each new one to have no output."""

    vocabulary = 0  # how many random numbers are drawn for each token
    sampling_params: SamplingParams | None
    generator: torch.Generator | None
    output_token_ids: list[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.output_token_ids = self.output_token_ids or _resume_ids(self.sampling_params)
        if self.generator is None:
            return
        if self.generator.device.type == "cpu":
            self.generator = _CpuGenerator(self.generator, self)
        else:
            _draw(self.generator, self.vocabulary, len(self.output_token_ids))


class _CpuGenerator(torch.Generator):
    """The random numbers of a seed, able to take one draw back.

    vLLM draws for prompts that are prefilled only in part, too, and takes the draw back by the generator's offset. A
    generator on CPU has none: without this one, a single such request would end the engine for all.
    """

    def __new__(cls, *_: object) -> Self:
        return super().__new__(cls)  # on CPU

    def __init__(self, seeded: torch.Generator, state: _ResumedState) -> None:
        self._state = state
        self._kept = 0, seeded.get_state()  # after so many tokens
        self.set_offset(0)

    def get_offset(self) -> int:
        """Of no meaning, as draws are counted in tokens."""
        return 0

    def set_offset(self, offset: int) -> Self:
        """Back to the state after the tokens that the request has."""
        del offset
        count, state = self._kept
        tokens = len(self._state.output_token_ids)
        self.set_state(state)
        _draw(self, self._state.vocabulary, tokens - count)
        self._kept = tokens, self.get_state()
        return self


def _draw(generator: torch.Generator, width: int, times: int) -> None:
    noise = torch.empty(width, dtype=torch.float32, device=generator.device)
    for _ in range(times):
        noise.exponential_(generator=generator)
