"""The depth of a journal's topics, of several shards or several topics together."""

from collections.abc import Iterable, Mapping, Sequence

from actors.journal.protocol import Depth


def add_depths(depths: Iterable[Depth]) -> Depth:
    """All work. The workers are those of one, for each serves all."""
    known = list(depths)
    return Depth(
        ready=sum(depth.ready for depth in known),
        claimed=sum(depth.claimed for depth in known),
        waiting=sum(depth.waiting for depth in known),
        age_s=max((depth.age_s for depth in known), default=0.0),
        workers=max((depth.workers for depth in known), default=0),
    )


def merge_depths(shards: Sequence[Mapping[str, Depth]]) -> dict[str, Depth]:
    """What the shards have of each topic, added."""
    topics = sorted({topic for depths in shards for topic in depths})
    return {topic: add_depths(depths[topic] for depths in shards if topic in depths) for topic in topics}
