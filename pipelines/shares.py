"""How jobs are ranked, and what each counts for in its tenant's share of the workers.

Priorities are strict between classes, and tenants share within one. Each priority is a class of its own, but all below
those that clients may give are one: lines of batches, whose priority is a deadline, share the workers by tenant too.
A job that was given more than NEAR_S rises to the next service tier when less is left to it.
"""

from pipelines.jobs import Reference

NEAR_S = 300.0  # of what is left until a job's deadline
RISE = 10  # from one service tier to the next
LOWEST = -1000  # the class of all that is lower
BYTES_PER_TOKEN = 4  # of text, about
_BOTTOM = -(2**62)


def class_of(priority: int) -> int:
    """The class of a priority; a higher one goes first."""
    return max(priority, LOWEST)


def priorities_of(rank: int) -> tuple[int, int]:
    """The lowest and the highest priority of a class."""
    return (_BOTTOM if rank == LOWEST else rank), rank


def raised(priority: int) -> int:
    """The priority of a job whose deadline is near."""
    return class_of(priority) + RISE


def prompt_tokens(request: Reference) -> int:
    """What a prompt is taken for until it is rendered."""
    return request.size // BYTES_PER_TOKEN
