import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.journal.limits import Limits
from actors.versions import ROOMS, version_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "noun.py").write_text("a = 1\n")
    (tmp_path / "deployments").mkdir()
    return tmp_path


def test_equal_code_and_arguments_are_one_version_wherever_they_are(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for room in ROOMS:
        shutil.copytree(root / room, other / room)
    assert version_of("data", Limits(), root=root) == version_of("data", Limits(), root=other)


def test_a_limit_makes_another_version() -> None:
    assert version_of(Limits(backlog=1)) != version_of(Limits(backlog=2))


@pytest.mark.parametrize(
    ("change", "other"),
    [
        (lambda root: (root / "actors" / "noun.py").write_text("a = 2\n"), True),
        (lambda root: (root / "events" / "new.sql").write_text("SELECT 1;\n"), True),
        (lambda root: (root / "pipelines" / "noun.py").rename(root / "pipelines" / "verb.py"), True),
        (lambda root: (root / "actors" / "noun.pyc").write_text("compiled"), False),
        (lambda root: (root / "deployments" / "noun.py").write_text("a = 2\n"), False),
    ],
)
def test_what_a_shared_actor_is_made_of_makes_the_version(
    root: Path, change: Callable[[Path], object], other: bool
) -> None:
    before = version_of(root=root)
    change(root)
    assert (version_of(root=root) != before) is other
