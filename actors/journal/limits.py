"""What one journal may take, and how long it keeps what has ended: its settings, in one piece."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from actors.journal.retention import A_MONTH, Retention

BACKLOG = 10_000_000  # jobs


class TenantLimits(NamedTuple):
    """How many jobs of a tenant may be open, lines of batches aside, and how many steps in work on a topic; 0: any."""

    jobs: int = 0
    steps: int = 0


NO_LIMITS = TenantLimits()
EVERYBODY = "*"  # whose limits are those of all tenants that have none of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Beyond `backlog` open jobs, new ones are refused until some have ended; finished ones go by `retention`.

    `token_budgets` are in output tokens, by tenant; who is not named may use as many as it likes.
    `tenants` has the other limits of tenants, EVERYBODY's for those that are not named.
    """

    backlog: int = BACKLOG
    token_budgets: Mapping[str, int] = field(default_factory=dict)
    tenants: Mapping[str, TenantLimits] = field(default_factory=dict)
    retention: Retention = A_MONTH


DEFAULT_LIMITS = Limits()
