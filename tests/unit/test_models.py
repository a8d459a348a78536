"""How models come into the cache. The packaged model's conversion is part of the demo and of the vLLM tests."""

from pathlib import Path

import pytest

from heliograph.models import ModelSourceError, add_model


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
