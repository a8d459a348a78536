"""Three nodes with a Postgres journal under load: nodes die, services are deployed alone, inference scales."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from tests.fault.follower import Follower
from tests.fault.matrix.cells import NODE, Cell, Group, Kind
from tests.fault.matrix.judge import Finding, judge
from tests.fault.matrix.load import Client, Load
from tests.fault.matrix.rows import Rows
from tests.fault.matrix.trial import run, story_of
from tests.fault.pressure import BODY, MOST_TOKENS, Pressure, script
from tests.fault.three_nodes import NODES, SCALING, ThreeNodes
from tests.servers import until

pytestmark = [pytest.mark.ray, pytest.mark.long, pytest.mark.timeout(900)]

STEPS = 2  # of a job: rendering, inference
ACTORS = ("ray::JournalActor", "ray::TokenLogActor")
INGESTION = "ServeReplica:ingestion"
CELL = Cell(name="cluster", kind=Kind.NODES, group=Group.NODE, victim=NODE)
EVERYWHERE = {"least": NODES, "most": NODES}
STREAMS = 12
STREAM = {**BODY, "background": True, "stream": True, "metadata": script(tokens=80)}
LASTING = {**STREAM, "metadata": script(tokens=100, delay_ms=500)}  # longer than new replicas take to start
SHORT, LONG = script(tokens=25, delay_ms=200), script(tokens=100, delay_ms=300)  # 5 and 30 seconds
JOB = {"model": "scripted", "prompt": "Say something.", "max_output_tokens": MOST_TOKENS}
JOBS = 100  # of each; a replica has 64 slots


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeNodes]:
    made = ThreeNodes(tmp_path_factory.mktemp("three") / "nodes")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def pressure(cluster: ThreeNodes) -> Iterator[Pressure]:
    """Clients, of which each has had an answer."""
    pressure = Pressure(cluster.server.url)
    try:
        until(pressure.undisturbed, seconds=120, what="a round without an error")
        yield pressure
    finally:
        pressure.close()


@pytest.mark.parametrize("service", ["prompting", "inference", "history", "ingestion"])
def test_a_new_version_of_one_service_is_not_noticed(cluster: ThreeNodes, pressure: Pressure, service: str) -> None:
    others = {name: cluster.replicas(name) for name in cluster.arguments if name not in (service, "inference")}
    cluster.deploy(service, version="2")
    check_unnoticed(cluster, pressure)
    assert {name: cluster.replicas(name) for name in others} == others


def test_new_settings_of_the_plane_replace_the_shared_actors_unnoticed(cluster: ThreeNodes, pressure: Pressure) -> None:
    before = [cluster.processes(actor) for actor in ACTORS]
    cluster.deploy("plane", telemetry={"log_level": "WARNING"})
    check_unnoticed(cluster, pressure)
    after = [cluster.processes(actor) for actor in ACTORS]
    assert [len(old & new) for old, new in zip(before, after, strict=True)] == [0, 0]


def test_a_new_version_of_the_plane_leaves_the_shared_actors_alone(cluster: ThreeNodes) -> None:
    before = [cluster.processes(actor) for actor in ACTORS]
    cluster.deploy("plane", version="2")
    assert [cluster.processes(actor) for actor in ACTORS] == before


@pytest.fixture(scope="module")
def everywhere(cluster: ThreeNodes) -> ThreeNodes:
    """With a replica of inference for every node."""
    cluster.deploy("inference", replicas=EVERYWHERE)
    return cluster


def test_a_node_dies_with_jobs_on_it(everywhere: ThreeNodes) -> None:
    finding = run(CELL, everywhere)
    assert finding.clean, finding
    assert finding.recovery_s


def test_a_connection_that_a_dead_node_cut_goes_on_at_its_cursor(everywhere: ThreeNodes) -> None:
    followers = [Follower(everywhere.server, STREAM) for _ in range(STREAMS)]
    with ThreadPoolExecutor(STREAMS) as pool:
        reads = [pool.submit(list, follower) for follower in followers]
        until(lambda: all(follower.text for follower in followers), seconds=60, what="text of every stream")
        everywhere.kill(INGESTION)
        for read in reads:
            read.result()
    everywhere.mend(CELL)
    assert [follower.replay() == follower.frames for follower in followers] == [True] * STREAMS
    assert {follower.events[-1]["type"] for follower in followers} == {"response.completed"}
    assert any(follower.connections > 1 for follower in followers)


def test_what_a_replica_cannot_end_in_time_goes_on_elsewhere(cluster: ThreeNodes) -> None:
    cluster.deploy("inference", replicas=EVERYWHERE, drain_s=0.5)
    followers = [Follower(cluster.server, LASTING) for _ in range(STREAMS)]
    with ThreadPoolExecutor(STREAMS + 1) as pool:
        deploy = pool.submit(cluster.deploy, "inference", drain_s=30)
        until(lambda: "STARTING" in cluster.replicas("inference").values(), seconds=120, what="a new version")
        reads = [pool.submit(list, follower) for follower in followers]
        for read in reads:
            read.result()
        deploy.result()
    shown: dict[str, str | None] = {follower.response_id: follower.text for follower in followers}
    assert verdict(cluster, shown).clean
    assert {follower.connections for follower in followers} == {1}
    assert begun_again(cluster, shown)
    with closing(Client(cluster.server.url)) as client:
        events = [client.ask("GET", f"/jobs/{job_id}/events?limit=1000").json()["data"] for job_id in shown]
    assert "JobRetried" not in {event["type"] for each in events for event in each}


def test_jobs_of_half_a_minute_outlast_every_scaling(cluster: ThreeNodes) -> None:
    """From zero to three replicas and back to zero, and nothing is begun twice."""
    if cluster.arguments["inference"]["replicas"] != SCALING:
        cluster.deploy("inference", replicas=SCALING)
    until(lambda: not cluster.replicas("inference"), seconds=120, what="no replica")
    asked = [{**JOB, "metadata": each} for each in [SHORT, LONG] * JOBS]
    load = Load(cluster.server.url, "scaling", asked, "/async-generate")
    load.wait_for(2 * JOBS)
    until(lambda: len(cluster.replicas("inference")) == NODES, seconds=120, what="a replica on every node")
    with cluster.rows() as rows:
        until(lambda: leaving(cluster) & holders(rows), seconds=120, what="a replica that leaves with jobs")
        until(lambda: not rows.open(), seconds=120, what="the end of all jobs")
    load.close()
    shown: dict[str, str | None] = dict.fromkeys(load.ids(), "")
    assert verdict(cluster, shown).clean
    assert begun_again(cluster, shown) == {}
    until(lambda: not cluster.replicas("inference"), seconds=120, what="no replica")


def check_unnoticed(cluster: ThreeNodes, pressure: Pressure) -> None:
    """After a few more answers: there was no error, nothing was lost or decided twice, and nothing was begun twice."""
    pressure.go_on()
    pressure.close()
    assert pressure.errors == []
    assert pressure.breaks == 0
    assert verdict(cluster, pressure.shown).clean
    assert begun_again(cluster, pressure.shown) == {}


def verdict(cluster: ThreeNodes, shown: dict[str, str | None]) -> Finding:
    with closing(Client(cluster.server.url)) as client:

        def get(path: str) -> dict[str, Any] | None:
            reply = client.ask("GET", path)
            answer: dict[str, Any] = reply.json()
            return answer if reply.is_success else None

        stories = {job_id: story_of(get, job_id, text) for job_id, text in shown.items()}
    return judge(CELL, stories, claimed={}, died_at=0.0, extra=0)


def leaving(cluster: ThreeNodes) -> set[str]:
    """The replicas of inference that Serve has begun to stop."""
    return {replica for replica, state in cluster.replicas("inference").items() if state == "STOPPING"}


def holders(rows: Rows) -> set[str]:
    """The replicas that hold jobs."""
    return {worker.rpartition("#")[2] for worker in rows.claimed().values()}


def begun_again(cluster: ThreeNodes, shown: dict[str, str | None]) -> dict[str, int]:
    with cluster.rows() as rows:
        fences = rows.fences()
    return {job_id: fences[job_id] for job_id in shown if fences[job_id] != STEPS}
