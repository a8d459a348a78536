"""Service tiers: which there are, what they mean for the engine's order, and which one a reply names."""

from typing import Literal, TypeAlias

ServiceTier: TypeAlias = Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"]
_PRIORITIES = {"flex": -10, "priority": 10, "fast": 10, "ultrafast": 20}
_USED = {None: "default", "auto": "default", "fast": "priority"}  # the others are used as asked


def priority_of(tier: ServiceTier | None) -> int:
    """Higher goes first."""
    return _PRIORITIES.get(tier or "default", 0)


def used_tier(tier: ServiceTier | None) -> str:
    """As replies name it."""
    return _USED.get(tier) or str(tier)
