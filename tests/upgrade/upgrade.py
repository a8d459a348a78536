"""One data folder's way from the old code to the new one."""

import json
from pathlib import Path

import httpx
import yaml

from configs.settings import CONFIGS
from tests.acceptance.client import Client
from tests.servers import ServerProcess, until
from tests.upgrade.stores import migrate_online, take_over

SLOW = {"metadata": {"scripted": json.dumps({"tokens": 16, "delay_ms": 60})}}
WORK = 150  # jobs; 64 of them run at once, so the others wait
TERMINAL_EVENTS = {"ResultStored", "JobIncomplete", "JobFailed", "JobCancelled", "JobDeadLettered"}


class Upgrade:
    """Jobs are submitted in every phase, and none of them is waited for to its end but where that is the point."""

    def __init__(self, old_code: Path, folder: Path, *, database: str = "") -> None:
        self._database = database
        self._data = folder / "data"
        folder.mkdir()
        config = folder / "monolith.yaml"
        document = yaml.safe_load((CONFIGS / "monolith.yaml").read_text())
        config.write_text(yaml.safe_dump(document | ({"database": database} if database else {})))
        self._old = ServerProcess(config, self._data, model="scripted", code=old_code)
        self._new = ServerProcess(config, self._data, model="scripted")
        statements = (old_code / "actors" / "journal" / "sql" / "queries.sql").read_text()
        self._names_columns = "INSERT INTO jobs VALUES" not in statements
        self._jobs: list[str] = []

    def run(self) -> None:
        """From the first start of the old code to the last job's end."""
        self._old.start()
        self._submit()
        if self._names_columns:
            self._work_on_the_new_schema()
        else:
            self._say("the old code does not name its columns, so it must have stopped before the new one starts")
        left = len(self._jobs) - self._completed(self._old)
        self._old.stop()
        assert left > 0
        self._new.start()
        self._check()
        self._new.stop()
        self._say("the new code completed the last", left, f"of {len(self._jobs)} jobs, each once")

    def _work_on_the_new_schema(self) -> None:
        """What an older process may do: go on, and start again."""
        migrate_online(self._data, self._database)
        self._say("the old process completed", self._finish_one(), "jobs on the new schema")
        self._submit()
        self._old.stop()
        take_over(self._data, self._database)
        self._old.start()
        self._say("the old code completed", self._finish_one(), "jobs after the new code had opened the stores")
        self._submit()

    def _submit(self) -> None:
        self._jobs += [self._old.submit(**SLOW) for _ in range(WORK)]

    def _finish_one(self) -> int:
        """How many jobs the old code has completed when a new one has."""
        before = self._completed(self._old)
        self._jobs.append(self._old.submit())
        assert self._old.finish(self._jobs[-1])["status"] == "completed"
        return self._completed(self._old) - before

    def _completed(self, server: ServerProcess) -> int:
        with httpx.Client(base_url=server.url) as http:
            count, after = 0, ""
            while page := _page(http, after):
                count += sum(job["status"] == "completed" for job in page)
                after = page[-1]["job_id"]
        return count

    def _check(self) -> None:
        client = Client(self._new)
        until(lambda: self._completed(self._new) == len(self._jobs), seconds=120, what="the end of all jobs")
        for job in self._jobs:
            events = client.events(job)
            assert len(TERMINAL_EVENTS.intersection(events)) == 1
            assert events.count("ResultStored") == 1
            assert list(client.stream(job))[-1]["status"] == "completed"
            assert client.output_text(job)
        client.http.close()

    def _say(self, *words: object) -> None:
        where = "Postgres" if self._database else "SQLite"
        print(f"{where}: {' '.join(map(str, words))}", flush=True)  # noqa: T201 - for whoever runs it


def _page(http: httpx.Client, after: str) -> list[dict[str, str]]:
    query = {"limit": "100", "order": "asc"} | ({"after": after} if after else {})
    page: list[dict[str, str]] = http.get("/jobs", params=query).raise_for_status().json()["data"]
    return page
