"""What the Python client and the command line raise.

HeliographError
├── ApiError           the request was refused, see `deployments/ingestion/errors.py`; `status` is HTTP's
├── StartError         the server cannot start
├── ConnectError       no Ray, or no Heliograph on it
├── JobFailedError     the job ended in failure
└── JobCancelledError  the job was cancelled
"""

from pipelines.errors import HeliographError


class StartError(HeliographError):
    """The server cannot start; the message says why."""


class ConnectError(HeliographError):
    """There is no Ray to connect to, or no ingestion application on it."""


class JobFailedError(HeliographError):
    """The job has failed for good. `code` is for machines."""

    def __init__(self, job_id: str, code: str, message: str) -> None:
        super().__init__(job_id, code, message)
        self.job_id = job_id
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.job_id}: {self.message} ({self.code})"


class JobCancelledError(HeliographError):
    """The job was cancelled; its id is the message."""
