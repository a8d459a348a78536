"""One error tree, split by what the caller does.

HeliographError
├── RejectError      the input is at fault: 4xx at the door, JobFailed behind it
├── TransientError   a known passing fault: back off and try again until the deadline
└── StaleFenceError  this worker no longer owns the job: drop it and say nothing
Any other exception in a worker is tried again a bounded number of times.
"""

import traceback

from pipelines.commands import Failed, Payload, Remedy
from pipelines.jobs import Fault, reference_of

TRACEBACK_BYTES = 8 * 1024  # the last ones; so much is kept in the journal itself


class HeliographError(Exception):
    """Base of all errors of ours."""


class RejectError(HeliographError):
    """The input is at fault; the message is for the client."""

    def __init__(self, message: str, code: str, param: str | None = None) -> None:
        super().__init__(message, code, param)  # all three, so that it can be pickled
        self.code = code
        self.param = param

    def __str__(self) -> str:
        return str(self.args[0])


class TransientError(HeliographError):
    """A known passing fault."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return str(self.args[0])


class StaleFenceError(HeliographError):
    """Another claim of this job has been made since."""


def outcome_of(error: Exception) -> Failed:
    """What a worker reports when a step raised."""
    kind = type(error).__name__
    match error:
        case RejectError():
            return Failed(fault=Fault(error.code, str(error)), remedy=Remedy.REJECT, kind=kind)
        case TransientError():
            fault = Fault("transient", str(error))
            return Failed(fault=fault, remedy=Remedy.TRANSIENT, retry_after_s=error.retry_after_s, kind=kind)
        case _:
            fault = Fault("server_error", f"{kind}: {error}")
            return Failed(fault=fault, remedy=Remedy.RETRY, kind=kind, traceback=_traceback(error))


def _traceback(error: Exception) -> Payload:
    data = "".join(traceback.format_exception(error)).encode(errors="replace")[-TRACEBACK_BYTES:]
    return Payload(reference_of(data), data)
