"""The idempotency keys that the commands of one batch name. A key goes with its job, and after a day."""

import json
from collections.abc import Container, Sequence

from actors.journal.rows import KeyRow
from actors.journal.store import Transaction
from pipelines.commands import Answer, Key, Submit, Verdict
from pipelines.jobs import Job

KEY_LIFETIME_S = 86400.0


class Keys:
    """Those that are in use, with what this batch adds."""

    def __init__(self, transaction: Transaction, now: float) -> None:
        self._transaction = transaction
        self._now = now
        self._used: dict[str, KeyRow] = {}
        self._new: list[KeyRow] = []

    def load(self, commands: Sequence[Submit]) -> list[str]:
        """Look up what these commands name; returns the jobs that it belongs to."""
        names = list(dict.fromkeys(_name(command.tenant, command.key) for command in commands if command.key))
        self._used = {key.name: key for key in self._transaction.keys(names, self._now - KEY_LIFETIME_S)}
        return [key.job_id for key in self._used.values()]

    def keep_those_of(self, jobs: Container[str]) -> None:
        """Only these jobs are there. The row of a key whose job was pruned goes later, or is used again."""
        self._used = {name: key for name, key in self._used.items() if key.job_id in jobs}

    def used(self, command: Submit) -> KeyRow | None:
        """The earlier use of this command's key."""
        return self._used.get(_name(command.tenant, command.key)) if command.key else None

    def put(self, command: Submit) -> None:
        """This command uses its key."""
        if command.key is not None:
            name = _name(command.tenant, command.key)
            key = KeyRow(name, command.tenant, command.key.fingerprint, command.job_id, self._now)
            self._used[name] = key
            self._new.append(key)

    def flush(self) -> None:
        """Hand the transaction what is new."""
        self._transaction.put_keys(self._new)
        self._new = []

    def drop_old(self, limit: int) -> int:
        """Forget keys that nobody can use any more; how many."""
        return self._transaction.drop_keys(self._now - KEY_LIFETIME_S, limit)


class ObjectKeys:
    """The keys of creates that make no job: each names what it has made."""

    def __init__(self, transaction: Transaction, now: float) -> None:
        self._transaction = transaction
        self._now = now

    def used(self, tenant: str, key: Key | None) -> KeyRow | None:
        """The earlier use of this key."""
        names = [_name(tenant, key)] if key else []
        return next(iter(self._transaction.keys(names, self._now - KEY_LIFETIME_S)), None)

    def put(self, tenant: str, key: Key | None, made: str) -> None:
        """This key, where there is one, has made this."""
        if key is not None:
            row = KeyRow(_name(tenant, key), tenant, key.fingerprint, made, self._now)
            self._transaction.put_keys([row])


def replay(used: KeyRow, command: Submit, job: Job) -> Answer:
    """What a second use of a key is answered."""
    if command.key is not None and used.fingerprint != command.key.fingerprint:
        return Answer(Verdict.CONFLICT)
    return Answer(Verdict.DONE, job.status, job_id=job.id)


def _name(tenant: str, key: Key) -> str:
    return json.dumps([tenant, key.route, key.word])
