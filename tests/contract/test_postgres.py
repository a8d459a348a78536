"""What Postgres stores do beyond the contract of all stores: other writers, lost connections, newer schemas."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from actors.journal.journal import Journal
from actors.journal.postgres import MIGRATIONS, PostgresStore
from actors.journal.protocol import JobQuery
from actors.postgres import connect
from actors.postgres_schema import prepare
from actors.stores import ForeignStoreError, StaleEpochError, StoreUnavailableError
from pipelines.commands import Cancel, Verdict
from pipelines.jobs import Status
from tests.factories import INFERENCE, claim, finish, generated, job_id, make_ports, rendered, submit
from tests.postgres import PostgresServer

DIE_IN_COMMIT = """
    CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER die AFTER INSERT ON jobs DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION die();
"""
LIVE_ON = "DROP TRIGGER die ON jobs; DROP FUNCTION die();"


class Room(NamedTuple):
    """A schema, and the data folder that belongs to it."""

    server: PostgresServer
    schema: str
    marker: Path

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return connect(self.server.url, self.schema)

    def lines(self, statement: str) -> list[tuple[object, ...]]:
        with self.connect() as connection:
            return connection.execute(statement.encode()).fetchall()


Opener = Callable[..., PostgresStore]


@pytest.fixture
def room(postgres: PostgresServer, tmp_path: Path) -> Room:
    return Room(postgres, postgres.new_schema(), tmp_path / "journal-0.uuid")


@pytest.fixture
def open_store(room: Room) -> Iterator[Opener]:
    opened: list[PostgresStore] = []

    def open_one(new_uuid: str = "store-1", marker: Path = room.marker) -> PostgresStore:
        opened.append(PostgresStore(room.server.url, room.schema, marker=marker, new_uuid=new_uuid))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def journal(open_store: Opener) -> Journal:
    return Journal(open_store(), ports=make_ports())


async def complete(journal: Journal, number: int) -> None:
    """A job from submit to result."""
    await journal.submit([submit(number)])
    (prompting,) = await journal.claim(claim(claim_id=f"p{number}"))
    await journal.finish([finish(prompting, rendered())])
    (inference,) = await journal.claim(claim(INFERENCE, claim_id=f"i{number}"))
    (answer,) = await journal.finish([finish(inference, generated())])
    assert (answer.verdict, answer.status) == (Verdict.DONE, Status.COMPLETED)


async def test_a_server_that_was_killed_after_the_commit_is_found_again_and_the_repeat_is_harmless(
    journal: Journal, room: Room
) -> None:
    await journal.submit([submit()])  # this answer is lost
    room.server.kill()
    with pytest.raises(StoreUnavailableError):
        await journal.submit([submit()])
    with pytest.raises(StoreUnavailableError):
        await journal.jobs("default", [job_id()])
    room.server.start()
    (answer,) = await journal.submit([submit()])
    assert answer.verdict is Verdict.DONE
    assert len(await journal.events("default", job_id(), None, 10)) == 1


async def test_a_connection_that_was_lost_while_idle_is_not_noticed(journal: Journal, room: Room) -> None:
    await journal.submit([submit()])
    room.lines(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
    )
    assert len(await journal.list_jobs(JobQuery("default"))) == 1
    assert (await journal.submit([submit(1)]))[0].verdict is Verdict.DONE


async def test_a_commit_with_an_unknown_outcome_is_told_to_all_its_callers_and_can_be_repeated(
    journal: Journal, room: Room
) -> None:
    with room.connect() as connection:
        connection.execute(DIE_IN_COMMIT)
    callers = (journal.submit([submit(n)]) for n in range(5))
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreUnavailableError}
    with room.connect() as connection:
        connection.execute(LIVE_ON)
    await journal.submit([submit(n) for n in range(5)])
    assert len(await journal.list_jobs(JobQuery("default"))) == 5


def test_a_new_writer_waits_for_the_open_transaction_and_then_shuts_the_old_one_out(
    open_store: Opener, room: Room
) -> None:
    old = open_store()
    with ThreadPoolExecutor(1) as pool:
        with old.transaction() as transaction:
            opening = pool.submit(open_store)
            while not room.lines("SELECT 1 FROM pg_locks WHERE NOT granted"):
                assert not opening.done()
            transaction.open_seals([])
        new = opening.result()
    assert new.epoch > old.epoch
    with pytest.raises(StaleEpochError), old.transaction():
        pass
    with new.transaction():
        pass


def test_two_stores_that_are_opened_at_once_have_one_name(open_store: Opener, room: Room) -> None:
    with ThreadPoolExecutor(2) as pool:
        stores = list(pool.map(open_store, ["store-a", "store-b"]))
    assert {store.uuid for store in stores} == {room.marker.read_text().strip()}
    assert len({store.epoch for store in stores}) == 2


def test_a_database_without_its_folder_is_refused(open_store: Opener, tmp_path: Path) -> None:
    open_store()
    with pytest.raises(ForeignStoreError):
        open_store(marker=tmp_path / "elsewhere.uuid")


def test_a_folder_without_its_database_is_refused_and_nothing_is_made(room: Room, open_store: Opener) -> None:
    room.marker.write_text("another\n")
    with pytest.raises(ForeignStoreError):
        open_store()
    assert room.lines(f"SELECT to_regnamespace('{room.schema}')") == [(None,)]


def test_a_first_start_that_died_before_its_end_is_finished_by_the_next(room: Room, open_store: Opener) -> None:
    open_store()
    pending = room.marker.rename(room.marker.with_suffix(".uuid.new"))
    assert open_store("store-2").uuid == room.marker.read_text().strip() == "store-1"
    assert not pending.exists()


def test_a_first_start_that_died_before_its_commit_leaves_the_place_free(room: Room, open_store: Opener) -> None:
    room.marker.with_suffix(".uuid.new").write_text("store-0\n")
    assert open_store("store-1").uuid == room.marker.read_text().strip() == "store-1"


async def test_an_older_process_goes_on_completing_jobs_while_a_newer_one_adds_columns(
    journal: Journal, room: Room, tmp_path: Path
) -> None:
    for number in range(6):  # so often that the server has kept plans
        await complete(journal, number)
    newer = tmp_path / "migrations"
    newer.mkdir()
    for script in sorted(MIGRATIONS.glob("*.sql")):
        (newer / script.name).write_text(script.read_text())
    (newer / "999_more.sql").write_text("ALTER TABLE jobs ADD COLUMN colour text NOT NULL DEFAULT 'blue';")
    with room.connect() as connection:
        prepare(connection, room.schema, newer, marker=room.marker, new_uuid="unused")
    for number in range(6, 12):
        await complete(journal, number)
    assert room.lines("SELECT DISTINCT colour, status FROM jobs") == [("blue", "completed")]


def test_a_role_needs_no_more_than_a_schema_of_its_own(room: Room, postgres: PostgresServer) -> None:
    role = f"owner_{room.schema}"
    with room.connect() as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN; CREATE SCHEMA {room.schema} AUTHORIZATION {role}".encode())
    url = postgres.url.replace("user=postgres", f"user={role}")
    store = PostgresStore(url, room.schema, marker=room.marker, new_uuid="store-1")
    with store.transaction():
        pass
    store.close()


def test_every_text_is_compared_by_its_bytes(room: Room, open_store: Opener) -> None:
    open_store()
    columns = "SELECT collation_name FROM information_schema.columns WHERE data_type = 'text' AND table_schema"
    assert set(room.lines(f"{columns} = '{room.schema}'")) == {("C",)}


def test_a_commit_is_on_disk_even_where_the_database_says_otherwise(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET synchronous_commit = off".encode())
    with connect(url, "any") as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)


@pytest.mark.parametrize("text", ["\0", "resp_\0", "\ud800"])
async def test_text_that_postgres_cannot_hold_names_nothing(journal: Journal, text: str) -> None:
    await journal.submit([submit()])
    assert [job is None for job in await journal.jobs("default", [text, job_id()])] == [True, False]
    assert await journal.list_jobs(JobQuery("default", model=text)) == []
    assert await journal.events("default", text, None, 10) == []
    (answer,) = await journal.cancel([Cancel(job_id=text, tenant="default")])
    assert answer.verdict is Verdict.UNKNOWN


async def test_a_slow_read_holds_nobody_up(journal: Journal, room: Room) -> None:
    await journal.submit([submit()])
    with room.connect() as connection:
        connection.execute(f"BEGIN; LOCK TABLE {room.schema}.jobs")
        reading = asyncio.create_task(journal.jobs("default", [job_id()]))
        while not room.lines("SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0)
        assert await journal.info()
        assert not reading.done()
        connection.execute("COMMIT")
    assert [job is not None for job in await reading] == [True]
