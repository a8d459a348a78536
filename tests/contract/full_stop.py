"""A plugin for vLLM: a prompt with a mark in it asks for reasoning, and the first full stop ends that."""

from collections.abc import Iterable, Sequence

from vllm.reasoning import ReasoningParser, ReasoningParserManager


@ReasoningParserManager.register_module("full-stop")
class FullStopParser(ReasoningParser):  # type: ignore[misc]
    """Only what vLLM needs to know when the grammar begins."""

    def is_reasoning_end(self, input_ids: Sequence[int]) -> bool:
        """Of a prompt; the mark is one token of SmolLM2's."""
        return self.vocab["<file_sep>"] not in input_ids

    def is_reasoning_end_streaming(self, input_ids: Sequence[int], delta_ids: Iterable[int]) -> bool:
        """Of the tokens of a step."""
        del input_ids
        return self.vocab["."] in delta_ids

    def extract_content_ids(self, input_ids: list[int]) -> list[int]:
        """Never asked for here."""
        raise NotImplementedError

    extract_reasoning = extract_reasoning_streaming = extract_content_ids
