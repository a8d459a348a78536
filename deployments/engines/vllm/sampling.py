"""From a prompt of ours to what vLLM calls sampling parameters, and back from its likelihoods to ours."""

from typing import Any

from vllm import SamplingParams
from vllm.logprobs import Logprob
from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

from deployments.engines.protocol import Generation, TokenLogprob
from deployments.engines.vllm.resume import RESUME_IDS
from pipelines.payloads import Grammar

_LEAST_TOP_P = 1e-6  # clients may ask for 0, the likeliest token alone; vLLM refuses it
_SEEDS = 2**63  # clients may send any number; one that torch cannot hold would end the engine


def sampling_params(generation: Generation) -> SamplingParams:
    """How to sample; a continuation carries its log. Stop strings are the worker's matter, who has the text."""
    prompt = generation.prompt
    return SamplingParams(
        temperature=prompt.temperature,
        top_p=max(prompt.top_p, _LEAST_TOP_P),
        seed=None if prompt.seed is None else prompt.seed % _SEEDS,
        presence_penalty=prompt.presence_penalty,
        frequency_penalty=prompt.frequency_penalty,
        max_tokens=prompt.max_tokens,
        logprobs=prompt.top_logprobs,
        structured_outputs=structured_outputs(prompt.grammar),
        extra_args={RESUME_IDS: generation.logged_ids} if generation.logged_ids else None,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
    )


def token_logprobs(ids: list[int], likelihoods: list[dict[int, Logprob]], count: int) -> list[TokenLogprob]:
    """What vLLM tells of each token: it comes first, then the `count` likeliest, itself perhaps among them."""
    return [_token_logprob(token, told, count) for token, told in zip(ids, likelihoods, strict=True)]


def _token_logprob(token: int, told: dict[int, Logprob], count: int) -> TokenLogprob:
    likeliest = sorted([(one.rank, other, one.logprob) for other, one in told.items() if one.rank <= count])
    return TokenLogprob(token, told[token].logprob, [(other, logprob) for _, other, logprob in likeliest])


def structured_outputs(grammar: Grammar | None) -> StructuredOutputsParams | None:
    """A grammar in vLLM's words."""
    if grammar is None:
        return None
    fields: dict[str, Any] = {
        "json_schema": {"json": grammar.value},
        "json_object": {"json_object": True},
        "regex": {"regex": grammar.value},
        "structural_tag": {"structural_tag": grammar.value},
    }
    return StructuredOutputsParams(**fields[grammar.kind])
