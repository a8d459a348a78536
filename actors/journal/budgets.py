"""The tenants' token budgets in one batch: jobs reserve when they are accepted, and have spent when they end.

Invariants: a tenant without a budget costs nothing here; a batch reads a tenant's row once and adds to it once; what
a job has reserved is released, and what it has used is spent, in the transaction that ends it, hence once.
"""

from collections.abc import Iterable, Mapping

from actors.journal.rows import Budget
from actors.journal.store import Transaction
from pipelines.jobs import Job


class Budgets:
    """One batch's. `limits` are in output tokens, by tenant; who is not named has none."""

    def __init__(self, transaction: Transaction, limits: Mapping[str, int]) -> None:
        self._transaction = transaction
        self._limits = limits
        self._stored: dict[str, Budget] = {}
        self._added: dict[str, Budget] = {}

    def load(self, tenants: Iterable[str]) -> None:
        """Read the rows of those that will reserve."""
        if self._limits:
            limited = [tenant for tenant in dict.fromkeys(tenants) if tenant in self._limits]
            self._stored = {budget.tenant: budget for budget in self._transaction.budgets(limited)}

    def reserve(self, tenant: str, tokens: int) -> int | None:
        """So many tokens are reserved now: none where the tenant has no limit. None where they would exceed it."""
        limit = self._limits.get(tenant)
        if limit is None:
            return 0
        stored, added = self._stored.get(tenant, Budget(tenant)), self._added.get(tenant, Budget(tenant))
        if stored.taken + added.taken + tokens > limit:
            return None
        self._add(tenant, tokens, 0)
        return tokens

    def settle(self, job: Job) -> None:
        """The job has ended. A reservation is released also where the limit has been lifted meanwhile."""
        if job.reserved or job.tenant in self._limits:
            self._add(job.tenant, -job.reserved, job.usage.output_tokens if job.usage else 0)

    def flush(self) -> None:
        """Write what this batch has changed."""
        self._transaction.add_to_budgets([budget for budget in self._added.values() if any(budget[1:])])
        self._added = {}

    def _add(self, tenant: str, reserved: int, spent: int) -> None:
        before = self._added.get(tenant, Budget(tenant))
        self._added[tenant] = Budget(tenant, before.reserved + reserved, before.spent + spent)
