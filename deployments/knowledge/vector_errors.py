"""What is wrong with a request about vector stores. At the door these are replies, in a job they are its fault."""

from collections.abc import Callable
from functools import partial

from pipelines.commands import Answer, Verdict
from pipelines.errors import HeliographError, RejectError, TransientError

BACKLOG_S = 10.0  # when to come again where too much waits
TOO_MANY = "This account has too many open jobs. Please try again later."
CONFLICT = "This Idempotency-Key was used for another request."
Missing = Callable[[str], RejectError]


class KeyConflictError(HeliographError):
    """The idempotency key was used for another request."""


class BacklogFullError(TransientError):
    """Too many jobs are open to accept more."""


def unknown_store(store: str) -> RejectError:
    """There is no such vector store, or it is another tenant's."""
    return RejectError(f"Vector store with id '{store}' not found.", "vector_store_not_found", "vector_store_id")


def unknown_file(file: str) -> RejectError:
    """It is not in this vector store."""
    return RejectError(
        f"File with id '{file}' not found in this vector store.", "vector_store_file_not_found", "file_id"
    )


def unknown_batch(file_batch: str) -> RejectError:
    """There is no such batch of files."""
    return RejectError(f"File batch with id '{file_batch}' not found.", "file_batch_not_found", "batch_id")


def unattachable(param: str) -> Missing:
    """A file that a parameter names is not there to be attached."""
    return partial(_unattachable, param)


def expired(store: str) -> RejectError:
    """It can only be looked at and deleted."""
    return RejectError(f"Vector store '{store}' has expired.", "vector_store_expired", "vector_store_id")


def no_encoder() -> RejectError:
    """Nobody here can make vectors of texts."""
    return RejectError("This server has no encoder, so it indexes and searches no files.", "vector_stores_disabled")


def refusal(answer: Answer, store: str, missing: Missing) -> Exception:
    """What an answer means that is not DONE; `missing` is for an unknown part of the store, which it names."""
    match answer.verdict:
        case Verdict.UNKNOWN:
            return missing(answer.detail) if answer.detail else unknown_store(store)
        case Verdict.TERMINAL:
            return expired(store)
        case Verdict.CONFLICT:
            return KeyConflictError(CONFLICT)
        case Verdict.FULL:
            return BacklogFullError("Too many jobs are waiting. Please try again later.", retry_after_s=BACKLOG_S)
        case Verdict.TOO_MANY:
            return BacklogFullError(TOO_MANY, retry_after_s=BACKLOG_S)
        case _:
            return RuntimeError(f"the journal could not change {store}: {answer.verdict} {answer.detail}")


def _unattachable(param: str, file: str) -> RejectError:
    return RejectError(f"File with id '{file}' not found.", "invalid_value", param)
