"""One cell: 200 jobs under way, a death, and what became of them."""

import random
import time
from collections.abc import Callable
from typing import Any

from tests.fault.matrix.cells import EVERYTHING, Cell
from tests.fault.matrix.clusters import ServedCluster, body, make_store, search_body
from tests.fault.matrix.judge import Finding, Story, judge
from tests.fault.matrix.load import JOBS, Load, text_of

STUCK_S = 120.0  # without the end of any job
POLL_S = 0.2


def run(cell: Cell, cluster: ServedCluster) -> Finding:
    """Let the cell's victim die with jobs in flight, wait for their ends, and mend the cluster."""
    chance = random.Random(cell.name)
    path, bodies = _asked(cell, cluster)
    with cluster.rows() as rows:
        before = rows.count()
    load = Load(cluster.url, f"{cell.name}-{time.time()}", bodies, path)
    try:
        load.wait_for(chance.randrange(20, JOBS // 2) if cell.early else JOBS)
        load.read(chance)
        claimed, died_at = _strike(cell, cluster, chance)
        if cell.victim == EVERYTHING:
            cluster.mend(cell)
        _await_ends(cluster, load)
        finding = _judge(cell, cluster, load, claimed=claimed, died_at=died_at, before=before)
    finally:
        load.close()
    if cell.victim != EVERYTHING:
        cluster.mend(cell)
    return finding


def _asked(cell: Cell, cluster: ServedCluster) -> tuple[str, list[dict[str, Any]]]:
    """What clients ask for, and where."""
    if not cell.searches:
        return "/async-generate", [body(cell.kind, number) for number in range(JOBS)]
    store = make_store(cluster.url)
    return "/v1/responses", [search_body(store, number) for number in range(JOBS)]


def _strike(cell: Cell, cluster: ServedCluster, chance: random.Random) -> tuple[dict[str, str], float]:
    """What was claimed at the death, and when that was."""
    if not cell.crash_point:
        time.sleep(chance.uniform(0.0, 2.0))
    with cluster.rows() as rows:
        before = rows.claimed()
        died_at = cluster.strike(cell, chance)
        return (rows.claimed() if cell.crash_point else before), died_at


def _await_ends(cluster: ServedCluster, load: Load) -> None:
    left, give_up_at = set(load.ids()), time.monotonic() + STUCK_S
    with cluster.rows() as rows:
        while left and time.monotonic() < give_up_at:
            if len(still := left & rows.open()) < len(left):
                left, give_up_at = still, time.monotonic() + STUCK_S
            time.sleep(POLL_S)


def _judge(
    cell: Cell, cluster: ServedCluster, load: Load, *, claimed: dict[str, str], died_at: float, before: int
) -> Finding:
    with cluster.rows() as rows:
        extra = rows.count() - before - len(set(load.ids()))
    shown = {job_id: text_of(frames) for job_id, frames in load.streams().items()}
    stories = load.each(lambda job_id: story_of(load.get, job_id, shown.get(job_id, "")))
    return judge(cell, dict(zip(load.ids(), stories, strict=True)), claimed=claimed, died_at=died_at, extra=extra)


def story_of(get: Callable[[str], dict[str, Any] | None], job_id: str, shown: str | None) -> Story:
    """What the API tells of a job; `get` asks it."""
    view = get(f"/jobs/{job_id}")
    events = (get(f"/jobs/{job_id}/events?limit=1000") or {"data": []})["data"]
    return Story(
        status=view["status"] if view else None,
        events=[(event["type"], event["created_at"]) for event in events],
        dead={event["data"]["worker"]: event["data"]["error"]["code"] for event in events if _tells_of_death(event)},
        text=_text(get(f"/v1/responses/{job_id}")),
        shown=shown,
    )


def _tells_of_death(event: dict[str, Any]) -> bool:
    return event["data"].get("error", {}).get("code") in ("worker_crashed", "worker_lost")


def _text(response: dict[str, Any] | None) -> str:
    items = response["output"] if response else []
    return "".join(part["text"] for item in items for part in item.get("content", []))
