"""Asks Ray whether a process of ours still lives."""

import asyncio
import socket
from typing import Any, NamedTuple

import ray
from ray.exceptions import ActorDiedError, RayError

from actors.journal.protocol import Death

ASK_S = 1.0  # a process that does not answer for so long is busy, not dead


class Home(NamedTuple):
    """Where a process of ours lives: its actor, and the node below it."""

    actor: Any
    node_id: str


async def death_of(home: Home) -> Death | None:
    """How the process has gone; None where that is not known: silence means busy."""
    try:
        await asyncio.wait_for(home.actor.__ray_ready__.remote(), ASK_S)
    except ActorDiedError:
        return Death.CRASH if await asyncio.to_thread(_node_lives, home.node_id) else Death.NODE
    except (RayError, TimeoutError):
        return None
    return None


def _node_lives(node_id: str) -> bool:
    """Ray may hear of a node's death seconds after that of its processes; but its raylet answers no more."""
    return any(
        node["Alive"] and answers(node["NodeManagerAddress"], node["NodeManagerPort"])
        for node in ray.nodes()
        if node["NodeID"] == node_id
    )


def answers(address: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((address, port), timeout=ASK_S).close()
    except OSError:
        return False
    return True
