"""When a step is tried again."""

from random import Random  # noqa: TID251 - a generator is handed in

from pipelines.commands import Failed, Remedy

MAX_FAILURES = 5  # of a step, for no known reason
MAX_FREE_RELEASES = 10  # a claim handed back more often waits like a retry
_FIRST_S, _LONGEST_S = 0.5, 30.0


def backoff_s(attempt: int, random: Random) -> float:
    """Seconds to wait after the given attempt (from 1): doubling, at most 30, the upper half of it by chance."""
    longest = min(_LONGEST_S, _FIRST_S * 2.0 ** min(attempt - 1, 10))
    return longest * (0.5 + random.random() / 2)


def delay_s(failed: Failed, attempt: int, failures: int, random: Random) -> float | None:
    """Seconds until the next attempt, or None where there is none. Both counts include this failure."""
    if failed.remedy is Remedy.REJECT or (failed.remedy is Remedy.RETRY and failures >= MAX_FAILURES):
        return None
    return max(failed.retry_after_s or 0.0, backoff_s(attempt, random))
