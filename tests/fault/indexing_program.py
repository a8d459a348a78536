"""Indexes the files that its standard input names, a line each, and says a line for each that is done."""

import asyncio
import sys
from pathlib import Path

from pipelines.data.indexing import index_here
from pipelines.data.tally import FileDone
from tests.indexing_house import House, tasks


async def _say(done: list[FileDone]) -> None:
    for each in done:
        sys.stdout.write(f"{each.attachment} {each.code or each.chunks}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(index_here(tasks(sys.stdin.read().split()), House(Path(sys.argv[1]))(), _say))
