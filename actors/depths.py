"""The depth of a journal's topics, of several shards or several topics together."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from actors.journal.protocol import Depth, JournalApi

ANSWER_S = 2.0


def add_depths(depths: Iterable[Depth]) -> Depth:
    """All work. The workers are those of one, for each serves all."""
    known = list(depths)
    return Depth(
        ready=sum(depth.ready for depth in known),
        claimed=sum(depth.claimed for depth in known),
        waiting=sum(depth.waiting for depth in known),
        age_s=max((depth.age_s for depth in known), default=0.0),
        workers=max((depth.workers for depth in known), default=0),
        finished=sum(depth.finished for depth in known),
        holders=tuple(sorted({holder for depth in known for holder in depth.holders})),
    )


def merge_depths(shards: Sequence[Mapping[str, Depth]]) -> dict[str, Depth]:
    """What the shards have of each topic, added."""
    topics = sorted({topic for depths in shards for topic in depths})
    return {topic: add_depths(depths[topic] for depths in shards if topic in depths) for topic in topics}


async def known_depths(journal: JournalApi) -> dict[str, Depth]:
    """Of those of several shards that answer soon; of one alone, and where none does, as `JournalApi.depth` says."""
    if len(journal.parts) == 1:
        return await journal.depth()
    asked = [asyncio.ensure_future(part.depth()) for part in journal.parts]
    await asyncio.wait(asked, timeout=ANSWER_S)
    known = [each.result() for each in asked if each.done() and each.exception() is None]
    for each in asked:
        each.cancel()
    return merge_depths(known) if known else await journal.depth()
