from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.engines.vllm.fingerprint import folder_fingerprint

MIB = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    (tmp_path / "model.safetensors").write_bytes(bytes(3 * MIB))
    return tmp_path


def change_weights(folder: Path, offset: int) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(offset)
        file.write(b"x" * MIB)


CHANGES: dict[str, Callable[[Path], object]] = {
    "configuration": lambda folder: (folder / "config.json").write_text('{"a": 1}'),
    "chat template": lambda folder: (folder / "chat_template.jinja").write_text("{{ other }}"),
    "new file": lambda folder: (folder / "tokenizer.json").write_text("{}"),
    "first weights": lambda folder: change_weights(folder, 0),
    "middle weights": lambda folder: change_weights(folder, MIB),
    "last weights": lambda folder: change_weights(folder, 2 * MIB),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_the_output_changes_the_fingerprint(folder: Path, change: Callable[[Path], object]) -> None:
    before = folder_fingerprint(folder)
    change(folder)
    assert folder_fingerprint(folder) != before


def test_the_same_files_elsewhere_are_the_same_model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = tmp_path_factory.mktemp("copy")
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "README.md").write_text("no part of the model")
    assert folder_fingerprint(copy) == folder_fingerprint(folder)
