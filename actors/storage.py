"""Where contents are kept under names: a folder, or an object storage at a URL such as `s3://bucket/prefix`.

Credentials are read from the environment, as obstore's documentation says.
"""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.store import LocalStore, ObjectStore, from_url

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig  # only its stub has them

PATIENCE_S = 30.0
_READING = timedelta(days=1)  # by a client that takes its time


def open_storage(place: str, *, patience_s: float = PATIENCE_S) -> ObjectStore:
    """A folder is made where there is none; a storage that says nothing for so long is given up.

    What is read may take as long as its reader does. Whether there is TLS, the URL of the server says.
    """
    if not is_remote(place):
        return LocalStore(Path(place), mkdir=True)
    patience = timedelta(seconds=patience_s)
    client: ClientConfig = {"allow_http": True, "read_timeout": patience, "timeout": _READING}
    retry: RetryConfig = {"retry_timeout": patience}
    return from_url(place, client_options=client, retry_config=retry)


def is_remote(place: str) -> bool:
    """Whether it is a URL."""
    return "://" in place
