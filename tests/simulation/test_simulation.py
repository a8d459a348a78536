import os
import subprocess
import sys

import pytest

from tests.simulation.clients import Caller
from tests.simulation.planted import PLANTED
from tests.simulation.runner import find, run_seeds, undisturbed
from tests.simulation.seed import PLAIN, run_seed, run_world
from tests.simulation.world import World

SEEDS = 150
AGAIN = range(12)
SLOW = {  # to find; `make long` and `make simulate` look for them too
    "a cancel that spares claimed lines",
    "chunks that are removed too early",
    "tokens shown before they are logged",
    "a file that is attached twice",
    "a session that nobody misses",
}


def digests() -> list[str]:
    with undisturbed():
        return [run_seed(seed).trace.digest() for seed in AGAIN]


def test_no_seed_breaks_a_rule() -> None:
    failed = dict(run_seeds(range(SEEDS)))
    again = "python -m tests.simulation --seeds 1 --trace --no-planted --from"
    assert not failed, f"{again} {min(failed)}\n{failed}"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in SLOW else name for name in PLANTED]
)
def test_a_planted_bug_is_found_for_its_own_reason(name: str) -> None:
    assert find(PLANTED[name], range(1000)) is not None


class Forgetful(Caller[None]):
    async def _live(self) -> None:
        raise LookupError("which job was it?")


def test_a_client_that_dies_is_told_of_with_its_error() -> None:
    with undisturbed():
        world = World(0, PLAIN)
        client = Forgetful(
            None, tenant=world.tenants[0], network=world.network, process=world.outside, record=world.record
        )
        world.outside.start(client.run)
        violations = run_world(world).violations
    assert violations == [("broken", "a client died of LookupError: which job was it?")]


def test_a_seed_is_the_same_in_every_process() -> None:
    program = "from tests.simulation.test_simulation import digests; print(digests())"
    others = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2")
    ]
    assert [other.communicate()[0].strip() for other in others] == [str(digests())] * 2
