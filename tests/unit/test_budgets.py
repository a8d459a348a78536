"""What budgets cost a batch: nothing without a limit, a read and a write for each tenant that has one."""

from collections.abc import Collection, Sequence

import pytest

from actors.journal.budgets import Budgets
from actors.journal.disk import Disk
from actors.journal.memory_transaction import MemoryTransaction
from actors.journal.rows import Budget


class Counting(MemoryTransaction):
    """Notes which rows are read and written."""

    def __init__(self) -> None:
        super().__init__(Disk(uuid="one"))
        self.read: list[str] = []
        self.written: list[Budget] = []

    def budgets(self, tenants: Collection[str]) -> list[Budget]:
        self.read.extend(tenants)
        return super().budgets(tenants)

    def add_to_budgets(self, budgets: Sequence[Budget]) -> None:
        self.written.extend(budgets)
        super().add_to_budgets(budgets)


@pytest.fixture
def transaction() -> Counting:
    return Counting()


def test_a_batch_reads_and_writes_each_row_once(transaction: Counting) -> None:
    budgets = Budgets(transaction, {"a": 50, "b": 100})
    budgets.load(["a", "b", "a", "c"] * 30)
    reserved = [budgets.reserve(tenant, 1) for tenant in ["a", "b", "c"] * 60]
    budgets.flush()
    assert transaction.read == ["a", "b"]
    assert transaction.written == [Budget("a", 50), Budget("b", 60)]
    assert (reserved.count(1), reserved.count(0), reserved.count(None)) == (110, 60, 10)


def test_without_limits_nothing_is_read_or_written(transaction: Counting) -> None:
    budgets = Budgets(transaction, {})
    budgets.load(["a", "b"])
    assert budgets.reserve("a", 10**9) == 0
    budgets.flush()
    assert (transaction.read, transaction.written) == ([], [])
