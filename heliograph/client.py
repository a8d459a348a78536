"""The Python client over Serve handles: synchronous, typed, and without HTTP in between.

Invariants: a frame is given once and in order, also when the process that serves the stream dies in between; only
`submit` is never repeated by itself, because without an idempotency key a repeat would be another job.
"""

import socket
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import Any

import ray
from openai.types.responses import Response
from ray import serve
from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import RayServeException

from actors.naming import NAMESPACE
from deployments.ingestion.errors import ApiError, api_error
from heliograph.errors import ConnectError, JobCancelledError, JobFailedError
from heliograph.frames import Frame, Progress
from pipelines.jobs import Status

__all__ = ["ApiError", "Client", "Job", "connect"]

INGESTION = "ingestion"
DEFAULT_TENANT = "default"
CONNECT_S = 5.0
PATIENCE_S = 30.0  # how long a dead replica's successor is waited for
_PAUSES_S = (0.02, 0.05, 0.1, 0.25)  # between two looks at a job; the last one stays


def connect(address: str | None = None, *, tenant: str = DEFAULT_TENANT) -> "Client":
    """Connect to the Heliograph on a Ray cluster.

    Args:
        address: The cluster, as `ray.init` takes it. None: the one that this process is connected to already, else
            the one that RAY_ADDRESS names, else the one that runs on this machine. A token in ~/.ray/auth_token is
            shown, unless RAY_AUTH_MODE says otherwise.
        tenant: Whose jobs are submitted and seen.

    Returns:
        A client, good until this process leaves the cluster. Threads may share it.

    Raises:
        ConnectError: There is no such cluster, or no Heliograph on it.
    """
    try:
        if not ray.is_initialized():
            # Only who starts a Ray does this by itself; without it a cluster with tokens refuses us.
            maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
            _knock(address or "")
            ray.init(address=address or "auto", namespace=NAMESPACE, log_to_driver=False, logging_level="warning")
        return Client(serve.get_app_handle(INGESTION), tenant=tenant)
    except (OSError, RuntimeError, RayServeException) as error:
        raise ConnectError(f"no Heliograph at {address or 'this machine'}: {error}") from error


class Client:
    """Submits jobs and finds them again."""

    def __init__(self, handle: Any, *, tenant: str = DEFAULT_TENANT, patience_s: float = PATIENCE_S) -> None:
        self._handle = handle
        self._tenant = tenant
        self._patience_s = patience_s

    def submit(  # noqa: PLR0913 - the fields of a job, all by name
        self,
        *,
        model: str,
        prompt: str | None = None,
        messages: Sequence[Mapping[str, str]] | None = None,
        template: str | None = None,
        variables: Mapping[str, str] | None = None,
        max_output_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        deadline_s: float | None = None,
        priority: int | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str = "",
    ) -> "Job":
        """Submit a job. Exactly one of `prompt`, `messages` and `template` says what is asked.

        Args:
            model: Name of a model that is served.
            prompt: What the user says.
            messages: A conversation, each turn with `role` and `content`.
            template: Name of a prompt template.
            variables: Values for the template.
            max_output_tokens: The most tokens to generate; None: the model's default.
            temperature: From 0 (always the likeliest token) to 2; None: 1.
            top_p: Share of the likelihood that is drawn from, up to 1; None: 1.
            deadline_s: Seconds after which the job fails if it is not done; None: a day.
            priority: From -100 to 100; higher goes first. None: 0.
            metadata: At most 16 strings of the caller's own.
            idempotency_key: The same key and fields give the same job for a day; "" for none.

        Returns:
            The job. It is on disk and will end in one of its four terminal states, whatever crashes.

        Raises:
            ApiError: It was refused, and nothing was enqueued.
        """
        body = {
            "model": model,
            "prompt": prompt,
            "messages": None if messages is None else [dict(message) for message in messages],
            "template": template,
            "variables": None if variables is None else dict(variables),
            "max_output_tokens": max_output_tokens,
            "temperature": temperature,
            "top_p": top_p,
            "deadline_s": deadline_s,
            "priority": priority,
            "metadata": None if metadata is None else dict(metadata),
        }
        given = {name: value for name, value in body.items() if value is not None}
        job_id = self.call("submit", given, idempotency_key)
        return Job(job_id, self)

    def submit_many(self, jobs: Sequence[Mapping[str, Any]], *, idempotency_key: str = "") -> "list[Job | ApiError]":
        """Submit up to 1 000 jobs in one call, which costs little more than one.

        Args:
            jobs: The fields of each as `submit` takes them, without a key of its own.
            idempotency_key: The same key and fields, in the same order, give the same jobs for a day; "" for none.

        Returns:
            For each a job, which is on disk, or the reason for which it was refused, in their order.

        Raises:
            ApiError: All were refused, or nothing is known of them; with a key it is safe to submit them again.
        """
        answers: list[str | ApiError] = self.call("submit_many", [dict(job) for job in jobs], idempotency_key)
        return [answer if isinstance(answer, ApiError) else Job(answer, self) for answer in answers]

    def job(self, job_id: str) -> "Job":
        """A job that was submitted earlier, by whichever process. Raises ApiError where there is none."""
        self.call_again("job", job_id)
        return Job(job_id, self)

    def call(self, method: str, *arguments: Any) -> Any:
        """One call of ingestion. Raises ApiError."""
        try:
            return getattr(self._handle, method).remote(*arguments, tenant=self._tenant).result()
        except RayTaskError as error:
            raise api_error(error.cause) from error

    def call_again(self, method: str, *arguments: Any) -> Any:
        """One call that may be repeated: it waits for the successor of a replica that dies."""
        give_up_at = time.monotonic() + self._patience_s
        while True:
            try:
                return self.call(method, *arguments)
            except RayActorError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(_PAUSES_S[-1])

    def open_stream(self, job_id: str, starting_after: int) -> Any:
        """The raw frames, from one replica."""
        return self._handle.options(stream=True).stream.remote(job_id, starting_after, tenant=self._tenant)

    @property
    def patience_s(self) -> float:
        """How long a stream waits for the successor of a replica that dies."""
        return self._patience_s


class Job:
    """A job that was accepted."""

    def __init__(self, job_id: str, client: Client) -> None:
        self.id = job_id
        self._client = client

    def __repr__(self) -> str:
        return f"Job({self.id!r})"

    @property
    def status(self) -> Status:
        """Where it stands now."""
        return Status(self._client.call_again("job", self.id)["status"])

    def stream(self, starting_after: int = -1) -> Generator[Frame]:
        """What happens to the job, from its first event to its end, as it happens.

        Args:
            starting_after: The last sequence number already seen; tokens up to it are left out, events never.

        Yields:
            Frames; the last one is an EndFrame.

        Raises:
            ApiError: The stream was refused.
        """
        progress = Progress(starting_after)
        give_up_at = None
        while not progress.ended:
            try:
                with closing(_frames(self._client.open_stream(self.id, progress.sequence))) as frames:
                    for frame in progress.news_of(frames):
                        give_up_at = None
                        yield frame
            except RayTaskError as error:
                raise api_error(error.cause) from error
            except RayActorError:
                give_up_at = give_up_at or time.monotonic() + self._client.patience_s
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(_PAUSES_S[-1])

    def result(self, timeout: float | None = None) -> Response:
        """Wait for the answer.

        Args:
            timeout: Seconds to wait at most; None: until the job ends, which its deadline ensures.

        Returns:
            OpenAI's Response object, completed or incomplete; `output_text` is the answer.

        Raises:
            TimeoutError: The job goes on; ask again.
            JobFailedError: It failed.
            JobCancelledError: It was cancelled.
        """
        view = self._wait(timeout)
        match Status(view["status"]):
            case Status.FAILED:
                raise JobFailedError(self.id, view["error"]["code"], view["error"]["message"])
            case Status.CANCELLED:
                raise JobCancelledError(self.id)
        return Response.model_validate(self._client.call_again("result", self.id))

    def cancel(self) -> None:
        """End the job now. Raises ApiError where it has ended otherwise."""
        self._client.call_again("cancel", self.id)

    def _wait(self, timeout: float | None) -> dict[str, Any]:
        give_up_at = None if timeout is None else time.monotonic() + timeout
        looks = 0
        while True:
            view: dict[str, Any] = self._client.call_again("job", self.id)
            if Status(view["status"]).terminal:
                return view
            pause = _PAUSES_S[min(looks, len(_PAUSES_S) - 1)]
            if give_up_at is not None and time.monotonic() + pause > give_up_at:
                raise TimeoutError(f"{self.id} is still {view['status']} after {timeout} s")
            time.sleep(pause)
            looks += 1


def _knock(address: str) -> None:
    """Raise OSError where nobody listens: Ray itself would go on trying for ten minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()


def _frames(stream: Any) -> Generator[dict[str, Any]]:
    """A stream that is cancelled at the replica when it is closed here: Serve does not do that by itself."""
    try:
        yield from stream
    finally:
        stream.cancel()
