"""An engine under test: how to ask it, and what to read off its answers."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

from deployments.engines.protocol import Engine, Generation, TokenLogprob, Tokens
from deployments.prompting.tokenizers import ChatTokenizer
from pipelines.payloads import Message, Prompt

STORY = "Tell me a story about a lighthouse keeper."
QUESTION = "What is the capital of France?"  # SmolLM2 answers it in a sentence


class Subject(NamedTuple):
    engine: Engine
    encode: Callable[[str], list[int]]  # no ids for an engine that works on text

    def ask(self, request_id: str, text: str = STORY, *, logged_ids: Sequence[int] = (), **changes: Any) -> Generation:
        fields = {"max_tokens": 40, "temperature": 0, "top_p": 1, "metadata": {"scripted": '{"tokens": 100}'}}
        prompt = Prompt(
            messages=[Message(role="user", content=text)], token_ids=self.encode(text) or None, **{**fields, **changes}
        )
        return Generation(request_id=request_id, prompt=prompt, logged_ids=list(logged_ids))

    def endless(self, request_id: str) -> AsyncGenerator[Tokens, None]:
        script = {"scripted": '{"tokens": 100000, "delay_ms": 20}'}
        return self.engine.generate(self.ask(request_id, max_tokens=1500, metadata=script))


async def run(subject: Subject, generation: Generation) -> list[Tokens]:
    return await run_all(subject.engine.generate(generation))


async def run_all(generating: AsyncGenerator[Tokens, None]) -> list[Tokens]:
    async with aclosing(generating) as batches:
        return [batch async for batch in batches]


def ids_of(batches: list[Tokens]) -> list[int]:
    return [token for batch in batches for token in batch.ids]


def logprobs_of(batches: list[Tokens]) -> list[TokenLogprob]:
    return [told for batch in batches for told in batch.logprobs or []]


def encoder(folder: Path) -> Callable[[str], list[int]]:
    tokenizer = ChatTokenizer(folder)
    return lambda text: tokenizer.encode([Message(role="user", content=text)]).token_ids or []
