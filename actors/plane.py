"""Makes the shared actors of a cluster, finds those that are there, and replaces those of another version.

Invariants:
- An actor of this version is left alone; so a deploy that changes nothing here is not noticed.
- The version that is noted for an actor is never that of another one.
- A replaced actor has ended for good before its successor is made. Its callers find that one by the same name.
"""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import ActorDiedError, GetTimeoutError, RayError
from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put

from actors.journal.limits import Limits
from actors.journal.protocol import Places
from actors.naming import NAMESPACE, TOPIC_SIZE, TOPICS, journal_name, token_log_name
from actors.shards import Where
from actors.shell import Shell
from actors.shells import JournalActor, TokenLogActor, TopicsActor
from actors.stores import ShardCountError
from actors.versions import version_of

HOME = "journal"  # the resource by which a cluster marks the node that has the data folder's volume
INFO_S = 5.0
LEAVE_S = 1.0  # for answers that are under way; who polls for longer asks the successor
log = logging.getLogger("heliograph")


def ensure_actor(shell: type[Shell], name: str, *arguments: Any) -> int:
    """Find or make a shared actor of this version; its process id. Blocking; raises what its constructor raised."""
    version, note = version_of(*arguments).encode(), f"heliograph:version:{name}".encode()
    if _internal_kv_get(note) != version:
        _internal_kv_put(note, b"")
        _retire(name)
    actor = ray.remote(shell).options(**_options(name)).remote(*arguments)
    pid: int = ray.get(actor.ready.remote())
    _internal_kv_put(note, version)
    return pid


def ensure_shards(
    folder: Path, *, database: str, places: Places, shards: int, telemetry: dict[str, Any], limits: Limits
) -> None:
    """The actors of all shards. Raises ShardCountError, and replaces none, where there are another number of them."""
    _check_number(shards)
    ensure_topics()
    for shard in range(shards):
        ensure_shard(
            folder, database=database, places=places, shard=shard, telemetry=telemetry, limits=limits, shards=shards
        )


def ensure_topics() -> None:
    """The actor of all topics."""
    ensure_actor(TopicsActor, TOPICS, TOPIC_SIZE)


def ensure_shard(
    folder: Path,
    *,
    database: str,
    places: Places,
    shard: int,
    telemetry: dict[str, Any],
    limits: Limits,
    shards: int = 1,
) -> None:
    """The actors of one shard."""
    where = Where(database, shard, shards)
    ensure_actor(TokenLogActor, token_log_name(shard), str(folder), where, telemetry)
    ensure_actor(JournalActor, journal_name(shard), str(folder), where, places, telemetry, limits)


def _check_number(shards: int) -> None:
    """Ask the journal that is there. What does not answer is made anew, and its store refuses a wrong number."""
    try:
        journal = ray.get_actor(journal_name(0), namespace=NAMESPACE)
        created: int = ray.get(journal.info.remote(), timeout=INFO_S).shards
    except (ValueError, RayError, GetTimeoutError):
        return
    if created != shards:
        raise ShardCountError(journal_name(0), created, shards)


def _options(name: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "name": name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_restarts": -1,
        "max_concurrency": 10_000,
        "num_cpus": 0,
        "scheduling_strategy": "DEFAULT",
    }
    if HOME in ray.cluster_resources():
        options["resources"] = {HOME: 0.001}
    return options


def _retire(name: str) -> None:
    """Have the actor of this name end for good, if there is one. What it has not answered by then is asked again."""
    try:
        actor = ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return
    log.info("%s is replaced by another version", name)
    with suppress(RayError, GetTimeoutError, AttributeError):  # AttributeError: a version that cannot leave
        ray.get(actor.leave.remote(), timeout=LEAVE_S)
    while _lives(actor):
        ray.kill(actor, no_restart=True)


def _lives(actor: Any) -> bool:
    """Whether Ray may still have it. What is dead for good has given its name free."""
    try:
        ray.get(actor.ready.remote(), timeout=LEAVE_S)
    except ActorDiedError:
        return False
    except (RayError, GetTimeoutError):
        return True
    return True
