"""A generation that is cut anywhere goes on in vLLM exactly as if it had not been cut.

This gates upgrades: the hook in `deployments/engines/vllm/resume.py` reaches into vLLM, so another version of vLLM may
be taken only when this passes. It runs the real SmolLM2 in float32; in bfloat16 equality holds for no engine.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from deployments.engines.protocol import Generation
from deployments.prompting.tokenizers import ChatTokenizer
from heliograph.models import add_model
from pipelines.payloads import Grammar, Message, Prompt
from tests.contract.engine_subject import QUESTION, STORY

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(900),
]  # a model starts in minutes on a busy machine
CHANT = "Say the word light, again and again: light, light, light, light,"  # so that penalties have something to punish
PERSON = Grammar(
    kind="json_schema",
    value='{"type": "object", "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer"}},'
    ' "required": ["name", "age"], "additionalProperties": false}',
)
DATE = Grammar(kind="regex", value=r"(19|20)\d\d-[01]\d-[0-3]\d is a day in (May|June)\.")
CALL = Grammar(
    kind="structural_tag",
    value='{"type": "structural_tag", "format": {"type": "tag", "begin": "<call>", "end": "</call>",'
    ' "content": {"type": "json_schema", "json_schema": {"type": "object", "properties": {"city": {"type": "string",'
    ' "maxLength": 8}}, "required": ["city"]}}}}',
)
BLOCK = 128  # tokens of the prefix cache's unit
CHUNK = 128  # tokens of a step: smaller than the long prompt, and than several short ones together
# Prompts with this mark are answered by a sentence of reasoning and then by what the grammar says.
MARK = "<file_sep>"
REASONING = {"reasoning_parser": "full-stop", "reasoning_parser_plugin": str(Path(__file__).with_name("full_stop.py"))}
SEEDED: dict[str, Any] = {"temperature": 1.0, "seed": -7}
CASES: dict[str, dict[str, Any]] = {
    "greedy": {},
    "stop token": {"text": QUESTION},
    "repetitive": {"text": CHANT},
    "presence": {"text": CHANT, "presence_penalty": 1.5},
    "frequency": {"text": CHANT, "frequency_penalty": 1.2},
    "seed": SEEDED,
    "seed and all else": {"temperature": 0.8, "top_p": 0.9, "seed": 2**70, "frequency_penalty": 0.7},
    "json schema": {"grammar": PERSON},
    "json schema, seed": {"grammar": PERSON, **SEEDED},
    "json object": {"grammar": Grammar(kind="json_object")},
    "regex": {"grammar": DATE},
    "structural tag": {"grammar": CALL},
}
TELLING = (
    "greedy",
    "seed and all else",
    "json schema, seed",
    "structural tag",
)  # the others have to wait for `make long`
WITH_GRAMMAR = ["json schema", "regex"]  # what depends on the backend


class Outcome(NamedTuple):
    ids: list[int]
    finish_reason: str | None


class Bench:
    """One engine, and how to ask it."""

    def __init__(self, folder: Path, backend: str) -> None:
        from deployments.engines.vllm.engine import VllmEngine  # noqa: PLC0415 - seconds to import

        settings = {"dtype": "float32", "enforce_eager": True, "max_num_batched_tokens": CHUNK, "block_size": BLOCK}
        settings |= {"kv_cache_memory_bytes": 1 << 28, "structured_outputs_config": {"backend": backend, **REASONING}}
        self.engine = VllmEngine(folder=folder, context=1024, slots=8, engine_args=settings)
        self._tokenizer = ChatTokenizer(folder)
        self._asked = 0

    def prompt(self, *, text: str = STORY, **changes: Any) -> Prompt:
        messages = [Message(role="user", content=text)]
        fields = {
            "max_tokens": 18,
            "temperature": 0,
            "top_p": 1,
            "token_ids": self._tokenizer.encode(messages).token_ids,
        }
        return Prompt(messages=messages, **{**fields, **changes})

    async def run(self, prompt: Prompt, logged: list[int] | None = None) -> Outcome:
        """The whole output, the logged part of it included."""
        self._asked += 1
        ids, reason = list(logged or []), None
        generation = Generation(request_id=f"r{self._asked}", prompt=prompt, logged_ids=list(ids))
        async with aclosing(self.engine.generate(generation)) as batches:
            async for batch in batches:
                ids += batch.ids
                reason = batch.finish_reason
        return Outcome(ids, reason)

    async def forget_prefixes(self) -> None:
        """Empty the prefix cache, as on a fresh replica."""
        assert await self.engine._llm.reset_prefix_cache()


GUIDANCE = pytest.param("guidance", marks=pytest.mark.long)


@pytest.fixture(scope="module", params=["xgrammar", GUIDANCE])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(backend: str) -> AsyncGenerator[Bench, None]:
    bench = Bench(add_model("smollm2-135m-instruct"), backend)
    await bench.engine.start()
    yield bench
    await bench.engine.close()


only_xgrammar = pytest.mark.parametrize("backend", ["xgrammar"], indirect=True, scope="module")


async def check_all_cuts(bench: Bench, prompt: Prompt) -> Outcome:
    undisturbed = await bench.run(prompt)
    cuts = range(1, len(undisturbed.ids) + 1)
    continued = await asyncio.gather(*(bench.run(prompt, undisturbed.ids[:cut]) for cut in cuts))
    assert [cut for cut, outcome in zip(cuts, continued, strict=True) if outcome != undisturbed] == []
    return undisturbed


@only_xgrammar
@pytest.mark.parametrize(
    "case", [case if case in TELLING else pytest.param(case, marks=pytest.mark.long) for case in CASES]
)
async def test_every_cut_gives_the_tokens_and_the_end_of_the_undisturbed_run(bench: Bench, case: str) -> None:
    undisturbed = await check_all_cuts(bench, bench.prompt(**CASES[case]))
    assert len(undisturbed.ids) >= 8


@pytest.mark.parametrize("backend", [GUIDANCE], indirect=True, scope="module")
@pytest.mark.parametrize("case", WITH_GRAMMAR)
async def test_every_cut_is_exact_with_another_grammar_backend(bench: Bench, case: str) -> None:
    await check_all_cuts(bench, bench.prompt(**CASES[case]))


async def test_every_cut_is_exact_in_reasoning_and_in_the_grammar_after_it(bench: Bench) -> None:
    prompt = bench.prompt(text=MARK + QUESTION, grammar=PERSON)
    reasoning, answer = bench.engine.decode((await check_all_cuts(bench, prompt)).ids).split(".")
    assert reasoning
    assert answer.lstrip().startswith("{")


@only_xgrammar
async def test_the_cases_differ_from_plain_text_so_that_each_shows_something(bench: Bench) -> None:
    plain = [bench.run(bench.prompt(text=changes.get("text", STORY))) for changes in CASES.values()]
    changed = [bench.run(bench.prompt(**changes)) for changes in CASES.values()]
    outcomes = await asyncio.gather(*plain, *changed)
    same = [case for case, one, other in zip(CASES, outcomes, outcomes[len(plain) :], strict=False) if one == other]
    assert same == ["greedy", "stop token", "repetitive"]


@only_xgrammar
async def test_a_long_prompt_goes_on_from_a_warm_cache_and_from_a_cold_one(bench: Bench) -> None:
    """Warm, the cache holds more than the prompt. Cold, it is prefilled in chunks, for which the seed must not pay."""
    ids = (bench.prompt().token_ids or []) * 20
    prompt = bench.prompt(token_ids=ids[-(3 * BLOCK - 8) :], **SEEDED)
    await bench.forget_prefixes()
    undisturbed = await bench.run(prompt)
    assert len(undisturbed.ids) == prompt.max_tokens  # so the last cut lies beyond the block
    cuts = (0, 4, 8, 9, 16)
    for _ in range(2):
        outcomes = await asyncio.gather(*(bench.run(prompt, undisturbed.ids[:cut]) for cut in cuts))
        assert outcomes == [undisturbed] * len(cuts)
        await bench.forget_prefixes()


@only_xgrammar
async def test_it_says_how_many_tokens_it_reads_in_a_step(bench: Bench) -> None:
    assert bench.engine.step_tokens == CHUNK


async def test_a_log_that_breaks_its_grammar_fails_alone(bench: Bench) -> None:
    story = await bench.run(bench.prompt())
    broken, beside = await asyncio.gather(
        bench.run(bench.prompt(grammar=PERSON), story.ids[:5]), bench.run(bench.prompt()), return_exceptions=True
    )
    assert isinstance(broken, RuntimeError)
    assert beside == story
