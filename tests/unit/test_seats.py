"""How workers register: among other things, how long an attempt of theirs may take."""

from configs.profiles import ModelProfile
from deployments.app import inference_seat, prompting_seat
from deployments.engines.scripted import ScriptedEngine


def test_a_prompt_worker_has_a_minute_for_a_batch() -> None:
    assert prompting_seat("p1").attempt_limit_s == 60


def test_a_models_profile_says_how_long_a_generation_may_take() -> None:
    profiles = [ModelProfile(name="m", engine="scripted"), ModelProfile(name="m", engine="scripted", attempt_limit_s=5)]
    assert [inference_seat("i1", profile, ScriptedEngine()).attempt_limit_s for profile in profiles] == [3600, 5]
