"""Every query of the journal's hot path is answered by an index, so that its cost does not grow with the backlog."""

from pathlib import Path
from typing import Any

import pytest

from actors.journal.sqlite import _SQL, SqliteStore

HOT: dict[str, tuple[Any, ...]] = {
    "jobs": ("[]",),
    "ready": ("topic", 0, 0, "[]", 5),
    "suspects": ("topic", 5),
    "on_trial": ("topic",),
    "tries": ("worker",),
    "claimed": (),
    "due": (1.0, 5),
    "overdue": (1.0, 5),
    "nearing": (1.0, 2.0, 3.0, 5),
    "late": (1.0, 5),
    "next_ready": ("topic", 0, 0, "tenant"),
    "next_suspect": ("topic",),
    "keys": (0.0, "[]"),
    "dead_letters": ("[]",),
    "budgets": ("[]",),
    "finished": (1.0, 5),
    "discarded": (0, 1.0, 5),
    "attached": ("session", 5),
    "first_events": ("[]",),
    "conversation": ("conversation",),
    "entries": ("conversation",),
    "entry": ("conversation", "entry"),
    "template": ("template",),
    "newest_templates": ("tenant", "z", 5),
    "template_versions": ("template",),
    "drop_keys": (1.0, 5),
    "errands": (1.0, 5),
    "remove_jobs": ("[]",),
    "remove_events": ("[]",),
    "remove_dead_letters": ("[]",),
    "refer": ("tenant", "hash"),
    "release": (1, "tenant", "hash"),
    "drop_unreferred": ("tenant", "[]"),
    "batch": ("batch",),
    "newest_batches": ("tenant", "z", 5),
    "overdue_batches": (1.0,),
    "doomed_batches": (),
    "lines": ("a", "z", 5),
    "open_lines": ("a", "z", 5),
    "newest_dead_letters": ("tenant", "z", "", "", "", "", 0, 5),
}
SMALL = ("json_each", "open_seals", "open_batches", "claimed_steps")  # what does not grow with the jobs


BESIDE = ("open_seals", "SEARCH batches USING PRIMARY KEY")  # what only confirms a job


@pytest.mark.parametrize("name", HOT)
def test_no_table_is_searched_through(name: str, tmp_path: Path) -> None:
    store: Any = SqliteStore(tmp_path / "journal-0.sqlite", new_uuid="one")
    plan = [row[3] for row in store._database._file.connection.execute(f"EXPLAIN QUERY PLAN {_SQL[name]}", HOT[name])]
    store.close()
    assert plan
    assert [step for step in plan if step.startswith("SCAN") and not any(table in step for table in SMALL)] == []


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("suspects", "suspect_steps"),
        ("next_suspect", "suspect_steps"),
        ("nearing", "deadlines"),
        ("on_trial", "suspect_steps"),
        ("late", "step_deadlines"),
        ("discarded", "discarded_jobs"),
        ("attached", "attached_jobs"),
        ("overdue_batches", "open_batches"),
    ],
)
def test_what_is_rare_has_an_index_of_its_own(name: str, index: str, tmp_path: Path) -> None:
    store: Any = SqliteStore(tmp_path / "journal-0.sqlite", new_uuid="one")
    plan = [row[3] for row in store._database._file.connection.execute(f"EXPLAIN QUERY PLAN {_SQL[name]}", HOT[name])]
    store.close()
    searched = {step for step in plan if step.startswith("SEARCH") and not any(part in step for part in BESIDE)}
    assert {step for step in searched if index not in step} == set()


def test_a_start_reads_no_job_that_has_ended(tmp_path: Path) -> None:
    store: Any = SqliteStore(tmp_path / "journal-0.sqlite", new_uuid="one")
    explain = store._database._file.connection.execute
    plan = [row[3] for name in ("census", "sessions") for row in explain(f"EXPLAIN QUERY PLAN {_SQL[name]}")]
    store.close()
    indexes = {step.split()[-1] for step in plan if step.startswith(("SCAN", "SEARCH"))}
    assert indexes == {"turns", "suspect_steps", "waiting_steps", "claimed_steps", "attached_jobs"}


def test_the_oldest_finished_jobs_are_found_in_order(tmp_path: Path) -> None:
    store: Any = SqliteStore(tmp_path / "journal-0.sqlite", new_uuid="one")
    query = f"EXPLAIN QUERY PLAN {_SQL['finished']}"
    plan = [row[3] for row in store._database._file.connection.execute(query, HOT["finished"])]
    store.close()
    assert any("finished_jobs" in step for step in plan)
    assert not any("TEMP B-TREE" in step for step in plan)
