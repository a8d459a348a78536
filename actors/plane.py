"""Makes the shared actors of a cluster, finds those that are there, and replaces those of another version.

Invariants:
- An actor of this version is left alone; so a deploy that changes nothing here is not noticed.
- The version that is noted for an actor is never that of another one.
- A replaced actor has ended for good before its successor is made. Its callers find that one by the same name.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

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


class Part(NamedTuple):
    """A shared actor, as it is to be."""

    shell: type[Shell]
    name: str
    arguments: tuple[Any, ...]

    @property
    def note(self) -> bytes:
        """Under which the cluster keeps its version."""
        return f"heliograph:version:{self.name}".encode()


ALL_TOPICS = Part(TopicsActor, TOPICS, (TOPIC_SIZE,))


def ensure_actors(parts: Sequence[Part]) -> None:
    """Find or make shared actors of this version, all at the same time. Blocking; raises what a constructor raised."""
    versions = [version_of(*part.arguments).encode() for part in parts]
    for part, version in zip(parts, versions, strict=True):
        if _internal_kv_get(part.note) != version:
            _internal_kv_put(part.note, b"")
            _retire(part.name)
    actors = [ray.remote(each.shell).options(**_options(each.name)).remote(*each.arguments) for each in parts]
    answers = [actor.ready.remote() for actor in actors]
    errors = [_await(*each) for each in zip(answers, parts, versions, strict=True)]
    for error in filter(None, errors):
        raise error


def ensure_shards(
    folder: Path, *, database: str, places: Places, shards: int, telemetry: dict[str, Any], limits: Limits
) -> None:
    """The actors of all shards. Raises ShardCountError, and replaces none, where there are another number of them."""
    _check_number(shards)
    wheres = [Where(database, shard, shards) for shard in range(shards)]
    of_shards = [shard_parts(folder, where, places=places, telemetry=telemetry, limits=limits) for where in wheres]
    ensure_actors([ALL_TOPICS, *chain.from_iterable(of_shards)])


def shard_parts(
    folder: Path, where: Where, *, places: Places, telemetry: dict[str, Any], limits: Limits
) -> tuple[Part, Part]:
    """The actors of one shard."""
    return (
        Part(TokenLogActor, token_log_name(where.shard), (str(folder), where, telemetry)),
        Part(JournalActor, journal_name(where.shard), (str(folder), where, places, telemetry, limits)),
    )


def _await(ready: Any, part: Part, version: bytes) -> RayError | None:
    """Note what is ready, so that it is left alone where only another one has failed. What its constructor raised."""
    try:
        ray.get(ready)
    except RayError as error:
        return error
    _internal_kv_put(part.note, version)
    return None


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
