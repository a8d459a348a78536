"""Every configuration that we ship can be loaded, and loading needs none of the heavy packages."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError
from ray.serve.schema import ServeDeploySchema

from actors.journal.limits import TenantLimits
from configs import profiles, settings
from deployments.app import limits_of

SERVE_FILES = sorted(path for path in settings.CONFIGS.glob("*.yaml") if "applications" in path.read_text())
HEAVY = ("ray", "torch", "transformers", "vllm")
SETTINGS: dict[str, type[BaseModel]] = {
    "plane": settings.PlaneSettings,
    "prompting": settings.PromptingSettings,
    "batching": settings.BatchingSettings,
    "inference": settings.InferenceSettings,
    "embedding": settings.EncoderSettings,
    "reranking": settings.EncoderSettings,
    "knowledge": settings.KnowledgeSettings,
    "history": settings.HistorySettings,
    "ingestion": settings.IngestionSettings,
    "deployments.serving_synchronous:ingestion": settings.DrivingSettings,
}


def document(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


def test_the_shipped_wirings_are_there() -> None:
    assert {"event-driven.yaml", "microservices.yaml", "scripted.yaml"} <= {path.name for path in SERVE_FILES}


@pytest.mark.parametrize("path", SERVE_FILES, ids=lambda path: path.stem)
def test_a_serve_config_is_valid_for_serve_and_its_arguments_for_us(path: Path) -> None:
    config = ServeDeploySchema.model_validate(document(path))
    for application in config.applications:
        of_name = SETTINGS[application.name.split(".")[0]]
        SETTINGS.get(application.import_path, of_name).model_validate(application.args)


@pytest.mark.parametrize("path", SERVE_FILES, ids=lambda path: path.stem)
def test_a_serve_config_names_models_that_have_a_profile_and_is_closed_to_the_network(path: Path) -> None:
    config = ServeDeploySchema.model_validate(document(path))
    (ingestion,) = (app for app in config.applications if app.name == "ingestion")
    assert all(profiles.load_profile(name) for name in ingestion.args["models"])
    served = {app.args["encoder"] for app in config.applications if app.name.startswith(("embedding.", "reranking."))}
    assert set(ingestion.args["encoders"]) < served
    assert config.http_options.host == "127.0.0.1"


@pytest.mark.parametrize("kind", [settings.PlaneSettings, settings.MonolithSettings])
def test_the_limits_of_tenants_are_the_journals(kind: type[settings.PlaneSettings | settings.MonolithSettings]) -> None:
    own = {"models": ["scripted"]} if kind is settings.MonolithSettings else {}
    loaded = kind.model_validate({**own, "tenant_limits": {"*": {"jobs": 10, "steps": 2}, "a": {"steps": 5}}})
    assert limits_of(loaded).tenants == {"*": TenantLimits(jobs=10, steps=2), "a": TenantLimits(steps=5)}
    with pytest.raises(ValidationError):
        kind.model_validate({**own, "tenant_limits": {"a": {"jobs": -1}}})


def test_the_monolith_loads() -> None:
    monolith = settings.MonolithSettings.model_validate(document(settings.CONFIGS / "monolith.yaml"))
    assert all(profiles.load_profile(name) for name in monolith.models)
    assert [profiles.load_encoder(name).kind for name in monolith.encoders] == ["embedding", "maxsim"]


@pytest.mark.parametrize("path", sorted((settings.CONFIGS / "models").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_model_profile_loads(path: Path) -> None:
    assert profiles.load_profile(path.stem).name == path.stem


@pytest.mark.parametrize("path", sorted((settings.CONFIGS / "encoders").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_encoders_profile_loads_and_its_files_are_there_or_at_a_hub(path: Path) -> None:
    profile = profiles.load_encoder(path.stem)
    assert profile.name == path.stem
    reader = profiles.reading_model(profile)
    assert bool(reader.package) == (profiles.encoder_folder(profile) / "tokenizer.json").is_file()
    assert reader.package or len(reader.source.split("/")) == 2


@pytest.mark.parametrize("made", [settings.PlaneSettings, partial(settings.MonolithSettings, models=[])])
def test_the_database_may_come_from_the_environment_and_the_file_has_the_last_word(
    made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made().database == ""
    monkeypatch.setenv("HELIOGRAPH_DATABASE", "postgresql://db.internal/heliograph")
    assert made().database == "postgresql://db.internal/heliograph"
    assert made(database="").database == ""
    monkeypatch.setenv("HELIOGRAPH_DATABASE", "db.internal")
    with pytest.raises(ValidationError, match="database"):
        made()


def test_an_unknown_encoder_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FileNotFoundError, match="maxsim"):
        profiles.load_encoder("nope")


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FileNotFoundError, match="scripted"):
        profiles.load_profile("nope")


@pytest.mark.parametrize("module", ["configs.profiles", "heliograph", "heliograph.cli", "heliograph.serving"])
def test_settings_and_command_line_load_without_the_heavy_packages(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
