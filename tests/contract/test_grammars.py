"""What xgrammar, vLLM's own choice, makes of the grammars of formats and calls."""

from typing import Any

import pytest

from deployments.prompting.grammars import grammar_of
from pipelines.payloads import Grammar, Request

pytestmark = pytest.mark.vllm
PLACE = {"type": "object", "properties": {"at": {"$ref": "#/$defs/Place"}}, "required": ["at"]}
LOOK = {"type": "function", "name": "look", "parameters": {**PLACE, "$defs": {"Place": {"type": "string"}}}}
WAIT = {"type": "function", "name": "wait", "parameters": None}
FORMAT = {
    "type": "json_schema",
    "name": "n",
    "schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
}
CALL = '{"name": "look", "parameters": {"at": "sea"}}'
MARKED = '<tool_call>\n{"name": "look", "arguments": {"at": "sea"}}\n</tool_call>'
REQUIRED = {"tool_choice": "required"}
END = 0


@pytest.fixture(scope="module")
def compiler() -> Any:
    import xgrammar  # noqa: PLC0415 - seconds to import

    letters = [bytes([byte]) for byte in range(256)]
    return xgrammar.GrammarCompiler(
        xgrammar.TokenizerInfo(letters, vocab_type=xgrammar.VocabType.RAW, stop_token_ids=[END])
    )


def accepts(compiler: Any, grammar: Grammar | None, text: str) -> bool:
    import xgrammar  # noqa: PLC0415 - as above

    assert grammar is not None
    compile_one = compiler.compile_json_schema if grammar.kind == "json_schema" else compiler.compile_structural_tag
    matcher = xgrammar.GrammarMatcher(compile_one(grammar.value))
    return bool(matcher.accept_string(text) and matcher.accept_token(END))


@pytest.mark.parametrize(
    ("more", "right", "wrong"),
    [
        (REQUIRED, [f"[{CALL}]", f"[{CALL}, {CALL}]", '[{"name": "wait", "parameters": {}}]'], ["[]", CALL, "no"]),
        ({**REQUIRED, "parallel_tool_calls": False}, [f"[{CALL}]"], [f"[{CALL}, {CALL}]"]),
        ({"tool_choice": {"type": "function", "name": "look"}}, ['{"at": "sea"}'], ['{"at": 1}', "{}"]),
        ({"format": FORMAT}, ['{"a": 1}', MARKED, f"{MARKED}\n{MARKED}"], ["no", '{"b": 1}', MARKED + '{"a": 1}']),
        ({"format": FORMAT, "parallel_tool_calls": False}, [MARKED], [f"{MARKED}\n{MARKED}"]),
    ],
)
def test_the_grammar_lets_through_what_it_should(
    compiler: Any, more: dict[str, Any], right: list[str], wrong: list[str]
) -> None:
    request = Request.model_validate({"model": "m", "input": [], "tools": [LOOK, WAIT], **more})
    grammar = grammar_of(request, hermes=True)
    assert [text for text in right if not accepts(compiler, grammar, text)] == []
    assert [text for text in wrong if accepts(compiler, grammar, text)] == []
