"""The real tokenizer: one character may take several tokens, and a token may end inside one."""

import pytest
from tokenizers import Tokenizer

from deployments.inference.detokenizer import Detokenizer
from heliograph.models import add_model

TEXTS = [
    "Grüße aus Zürich, naïve façade, déjà vu…",
    "e\u0301 n\u0303 a\u0308 combined",
    "👩🏽‍🚀 👨‍👩‍👧‍👦 🏳️‍🌈 🇨🇭🇯🇵",
    "漢字かな交じり文 中文字符",
    "한국어 조합형 문자",
    "שלום עולם مرحبا بالعالم",
    "tab\tnew\n\n  spaces   ",
    "a literal \ufffd in the text",
    "Ω≈ç√∫˜µ≤≥÷ ℵ₀ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢",  # noqa: RUF001 - look-alikes on purpose
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(add_model("smollm2-135m-instruct") / "tokenizer.json"))


@pytest.mark.vllm
@pytest.mark.parametrize("text", TEXTS)
def test_a_replay_from_any_cut_gives_the_same_text(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text).ids
    for cut in range(len(ids) + 1):
        first, second = Detokenizer(tokenizer.decode), Detokenizer(tokenizer.decode)
        shown = first.push(ids[:cut])
        second.push(ids[:cut])
        assert shown + second.push(ids[cut:]) + second.flush() == tokenizer.decode(ids) == text
