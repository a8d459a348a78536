"""The shipped profiles of vLLM's models: it knows every argument and every parser that they name."""

from pathlib import Path

import pytest

from configs.profiles import ModelProfile
from heliograph.models import all_profiles

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(300)]  # vLLM takes half a minute to import
PROFILES = [profile for profile in all_profiles() if profile.engine == "vllm"]
OURS = {"", "hermes", "think"}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_vllm_takes_its_arguments(profile: ModelProfile, tmp_path: Path) -> None:
    from deployments.engines.vllm.engine import engine_arguments  # noqa: PLC0415 - seconds to import

    arguments = engine_arguments(
        folder=tmp_path, context=profile.context, slots=profile.slots, engine_args=profile.engine_args
    )
    assert arguments.max_model_len == profile.context
    assert arguments.max_num_seqs == profile.slots


@pytest.mark.parametrize("name", sorted({profile.tool_parser for profile in PROFILES} - OURS))
def test_vllm_knows_their_tool_parsers(name: str) -> None:
    from vllm.parser.parser_manager import ParserManager  # noqa: PLC0415 - seconds to import

    assert ParserManager.get_tool_parser(name, enable_auto_tools=True) is not None


def test_their_reasoning_parsers_are_ours() -> None:
    assert {profile.reasoning_parser for profile in PROFILES} <= OURS
