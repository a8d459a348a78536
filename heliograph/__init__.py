"""How you talk to it: the command line and the Python SDK."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.client import Client


def connect(address: str | None = None, *, tenant: str = "default") -> "Client":
    """Connect to the Heliograph on a Ray cluster. See `heliograph.client.connect`."""
    from heliograph import client  # noqa: PLC0415 - loads Ray, which takes seconds, and the command line needs it not

    return client.connect(address, tenant=tenant)
