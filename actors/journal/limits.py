"""What one journal may take, and how long it keeps what has ended: its settings, in one piece."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.journal.retention import A_MONTH, Retention

BACKLOG = 10_000_000  # jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Beyond `backlog` open jobs, new ones are refused until some have ended; finished ones go by `retention`.

    `token_budgets` are in output tokens, by tenant; who is not named may use as many as it likes.
    """

    backlog: int = BACKLOG
    token_budgets: Mapping[str, int] = field(default_factory=dict)
    retention: Retention = A_MONTH


DEFAULT_LIMITS = Limits()
