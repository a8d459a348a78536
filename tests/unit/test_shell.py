from typing import Any, cast

from actors.pickled import packed, unpacked
from actors.shell import Shell, served


class Echo(Shell):
    @served
    async def echo(self, rows: list[int]) -> list[int]:
        return rows


async def test_who_packs_gets_packed_answers() -> None:
    answer = await Echo().echo(cast("Any", packed([1, 2])))
    assert isinstance(answer, bytes)
    assert unpacked(answer) == [1, 2]


async def test_a_caller_of_an_older_version_gets_a_plain_list() -> None:
    assert await Echo().echo([1, 2]) == [1, 2]
