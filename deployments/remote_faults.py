"""What the faults of a call by handle mean to its caller."""

from collections.abc import Iterator
from contextlib import contextmanager

from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RequestCancelledError

from deployments.inference.slots import QueueFullError
from pipelines.errors import TransientError

RECEIPT_S = 10.0  # how long a request waits for a replica: long enough for a busy one, not for a model to load
START_S = 15.0  # when to come again where a replica has to start first


@contextmanager
def call_of(model: str) -> Iterator[None]:
    """Raise what the replica raised; QueueFullError or TransientError where none took the call or it is gone."""
    try:
        yield
    except TimeoutError as error:
        raise TransientError(f"no replica of {model} yet", retry_after_s=START_S) from error
    except RayTaskError as error:
        raise error.cause from None  # what the replica raised, without Ray's wrapping
    except BackPressureError as error:
        raise QueueFullError("Too many requests wait for this model.") from error
    except (RayActorError, DeploymentUnavailableError, RequestCancelledError) as error:
        raise TransientError(f"the replica of {model} is gone", retry_after_s=1.0) from error
