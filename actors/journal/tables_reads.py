"""What is read alike by the journal's SQL stores and by their transactions."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from actors.journal.census import Census, CensusRow, take_census
from actors.journal.rows import from_row
from actors.stores import Reader
from pipelines.jobs import DeadLetter, Job, Reference, StepState


def census_of(statements: Reader) -> Census:
    """Counts of the jobs that are open."""
    rows = statements.rows("census")
    return take_census(CensusRow(topic, tenant, StepState(state), *rest) for topic, tenant, state, *rest in rows)


def letters_of(rows: Iterable[Sequence[Any]]) -> list[DeadLetter]:
    """The dead letters of these rows."""
    names = [field.name for field in fields(DeadLetter)]
    return [DeadLetter(**dict(zip(names, row, strict=True))) for row in rows]


def jobs_by_id(statements: Reader, ids: Iterable[str]) -> dict[str, Job]:
    """Those of the jobs that exist."""
    wanted = list(ids)
    return {row[0]: from_row(row) for row in statements.rows("jobs", wanted)} if wanted else {}


def blobs_of(statements: Reader, tenant: str, references: Sequence[Reference]) -> list[bytes | None]:
    """Small payloads."""
    hashes = [reference.hash for reference in references]
    found = dict(statements.rows("blobs", tenant, hashes)) if hashes else {}
    return [found.get(digest) for digest in hashes]
