"""How models come into the cache. The packaged model's conversion is part of the demo and of the vLLM tests."""

from pathlib import Path

import pytest

from configs.profiles import EncoderProfile, encoder_folder, load_encoder
from heliograph.models import ModelSourceError, add_model, encoder_lack


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HELIOGRAPH_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def test_a_folder_with_a_model_is_found_under_its_name(cache: Path, folder: Path) -> None:
    assert add_model("mine", str(folder), progress=lambda _: None) == cache / "mine"
    assert (cache / "mine" / "config.json").read_text() == "{}"


def test_a_second_call_finds_what_the_first_one_added(cache: Path, folder: Path) -> None:
    said: list[str] = []
    add_model("mine", str(folder), progress=said.append)
    assert add_model("mine", progress=said.append) == cache / "mine"
    assert "already" in said[-1]


def test_a_folder_without_a_model_is_refused_and_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelSourceError, match=r"config\.json"):
        add_model("mine", str(tmp_path / "empty"))
    assert list(cache.iterdir()) == []


def test_a_source_that_is_nothing_known_is_refused_with_what_would_be(cache: Path) -> None:
    with pytest.raises(ModelSourceError, match="smollm2-135m-instruct"):
        add_model("mine", "no-such-thing")
    assert not cache.exists()


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden"])
def test_a_name_cannot_lead_out_of_the_cache(cache: Path, folder: Path, name: str) -> None:
    with pytest.raises(ModelSourceError, match="not a name"):
        add_model(name, str(folder))
    assert not cache.exists()


@pytest.mark.parametrize("name", ["all-minilm-l6-v2", "maxsim"])
def test_an_encoder_that_comes_with_a_package_is_there_without_being_added(cache: Path, name: str) -> None:
    folder = add_model(name, progress=lambda _: None)
    assert folder == encoder_folder(load_encoder(name))
    assert (folder / "model.safetensors").is_file()
    assert encoder_lack(load_encoder(name)) == ""
    assert not cache.exists()


def test_an_encoder_may_be_a_folder_too(cache: Path, folder: Path) -> None:
    profile = EncoderProfile(name="mine", kind="cross_encoder", source="nowhere/mine")
    assert "heliograph model add mine" in encoder_lack(profile)
    add_model("mine", str(folder), progress=lambda _: None)
    assert encoder_folder(profile) == cache / "mine"
    assert encoder_lack(profile) == ""


def test_an_encoder_whose_package_is_not_installed_says_so() -> None:
    profile = EncoderProfile(name="mine", kind="embedding", package="no-such-package", source="model")
    assert "no-such-package" in encoder_lack(profile)
