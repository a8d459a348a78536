"""What the system asks of its own journal as time passes and processes die; repeatable, as every command."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandon:
    """Cancel what is still attached to a session that is over, `limit` jobs at the most."""

    session: str
    limit: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A worker is gone: offer its claims again. `crashed` where its death is known, else its lease has run out."""

    worker: str
    crashed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Let time act, on `limit` of each: steps that wait or take too long, jobs near their deadline or past it."""

    limit: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class WindDown:
    """Cancel lines of batches that are to end before they have run, `limit` at the most."""

    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkSealed:
    """The token logs of these jobs are sealed."""

    job_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Remove the oldest finished jobs: those that finished until then, and more until `surplus` bytes are gone.

    First come those that are not to be kept: the deleted ones, and the unstored ones that finished until then.
    """

    finished_until: float
    unstored_until: float
    surplus: int = 0
    limit: int  # of jobs, and of old keys


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseErrands:
    """These errands were run; those others are to be tried again from `due_at` on."""

    done: tuple[int, ...]
    postponed: tuple[int, ...] = ()
    due_at: float = 0.0


Chore = Abandon | Orphan | Tick | WindDown | MarkSealed | Prune | CloseErrands
