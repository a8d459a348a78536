"""The pipeline of Ray Data makes the same index as threads do, and reports each file as it is done."""

from pathlib import Path

import pytest

from actors.objects import Objects
from actors.stores import StoreUnavailableError
from pipelines.data.dataset import index_on_ray
from pipelines.data.indexing import index_here
from tests.indexing_house import FAULTS, FILES, House, tasks
from tests.unit.test_indexing import Reports

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


async def test_ray_and_threads_make_the_same_index(ray_cluster: None, tmp_path: Path) -> None:
    del ray_cluster
    here, there = House(tmp_path / "here"), House(tmp_path / "there")
    names = [*FILES, "gone.txt"]
    reports = {}
    for house in (here, there):
        await house.put(FILES)
        reports[house] = Reports()
    await index_here(tasks(names), here(), reports[here])
    await index_on_ray(tasks(names), there, reports[there])
    assert reports[here].by_name == reports[there].by_name
    assert {name: each.code for name, each in reports[there].by_name.items() if each.code} == FAULTS
    for name in names:
        assert await here.chunks(name) == await there.chunks(name)


@pytest.mark.long
async def test_files_are_reported_while_others_are_still_to_be_read(ray_cluster: None, tmp_path: Path) -> None:
    del ray_cluster
    house, reports = House(tmp_path), Reports()
    names = [f"{number}.txt" for number in range(40)]
    await house.put(dict.fromkeys(names, FILES["tides.txt"]))
    await index_on_ray(tasks(names), house, reports)
    assert set(reports.by_name) == set(names)
    assert len(reports.calls) > 5
    assert all([len(await house.chunks(name)) == 120 for name in names])


class Fallen(House):
    """A house whose files cannot be reached."""

    def objects(self) -> Objects:
        return Objects("/dev/null/files")


async def test_a_passing_fault_is_raised_as_what_it_is(ray_cluster: None, tmp_path: Path) -> None:
    del ray_cluster
    with pytest.raises(StoreUnavailableError):
        await index_on_ray(tasks(["herons.md"]), Fallen(tmp_path), Reports())


async def test_nothing_to_index_starts_nothing(tmp_path: Path) -> None:
    reports = Reports()
    await index_on_ray([], House(tmp_path), reports)
    assert reports.calls == []
