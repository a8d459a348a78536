"""Serves a config file until a signal comes: on a Ray of its own, or the monolith in this process.

Invariant: everything that was started is gone when `serve` returns, whatever ended it.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from configs.profiles import ModelProfile, load_encoder, load_profile
from heliograph.cores import leave_cores_to_engines, note_engine_cores
from heliograph.data_lock import hold
from heliograph.errors import StartError
from heliograph.haproxy import ingress, is_free
from heliograph.local_ray import end_descendants, local_ray
from heliograph.models import encoder_lack, lack

ALL_RUN = "all services run"


@dataclass(frozen=True, kw_only=True)
class Server:
    """What to serve, and where."""

    config: Path
    data: Path
    port: int | None  # None: the one that the config names
    dashboard: bool = True  # Ray's; it costs ten processes
    haproxy: bool = True  # where it can run; else Serve's slower proxy takes the requests
    announce: Callable[[str], None]  # gets the lines `ready URL` and ALL_RUN
    progress: Callable[[str], None]


def serve(server: Server) -> None:
    """Serve until SIGINT or SIGTERM. Call it on the main thread.

    Raises FolderInUseError where another server has the data, StartError where this one cannot start.
    """
    document = yaml.safe_load(server.config.read_text())
    note_engine_cores(_profiles(document))
    _check_encoders(document)
    _take_signals(_interrupt)
    with hold(server.data):
        try:
            if "applications" in document:
                _serve_on_ray(server, document)
            else:
                _serve_here(server, document)
        except KeyboardInterrupt:
            server.progress("stopped")


def _serve_on_ray(server: Server, document: dict[str, Any]) -> None:
    url = _place(server, document.setdefault("http_options", {}))
    for application in document["applications"]:
        if application["name"] == "plane":
            application.setdefault("args", {})["data"] = str(server.data.resolve())
    server.progress("starting Ray")
    with (
        ingress(haproxy=server.haproxy) as environment,
        local_ray(environment, dashboard=server.dashboard) as dashboard,
    ):
        from heliograph import applications  # noqa: PLC0415 - imports ray, whose variables are set by now

        _take_signals(_interrupt)  # Ray has put handlers of its own there
        try:
            if server.dashboard:
                server.progress(f"Ray's dashboard: {dashboard}")
            applications.deploy(document, server.progress)
            _wait_until_ready(url)
            server.announce(f"ready {url}")
            applications.deploy_others(document, server.progress)
            leave_cores_to_engines()
            server.announce(ALL_RUN)
            signal.pause()
        finally:
            _take_signals(signal.SIG_IGN)  # a second one must not cut the first one's work short
            server.progress("stopping")
            applications.drain(document)


def _serve_here(server: Server, document: dict[str, Any]) -> None:
    from heliograph.monolith import serve_monolith  # noqa: PLC0415 - slow to import

    url = _place(server, document)
    document["data"] = str(server.data)
    server.progress("starting")

    def ready() -> None:
        leave_cores_to_engines()
        server.announce(f"ready {url}")
        server.announce(ALL_RUN)

    try:
        asyncio.run(serve_monolith(document, ready))
    finally:
        end_descendants()


def _place(server: Server, options: dict[str, Any]) -> str:
    """Settle host and port in these options; the URL."""
    port = options["port"] = server.port or options.get("port", 8000)
    host = options.setdefault("host", "127.0.0.1")
    if not is_free(host, port):
        raise StartError(f"port {port} of {host} is taken")
    return f"http://127.0.0.1:{port}" if host == "0.0.0.0" else f"http://{host}:{port}"  # noqa: S104 - compared only


def _profiles(document: dict[str, Any]) -> list[ModelProfile]:
    """Of all models. One that is missing, or its key, is cheaper to notice now than after a minute in a replica."""
    profiles = [load_profile(name) for name in _named(document, "model")]
    for profile in profiles:
        if missing := lack(profile):
            raise StartError(missing)
    return profiles


def _check_encoders(document: dict[str, Any]) -> None:
    """That all are there, as above."""
    for name in _named(document, "encoder"):
        if missing := encoder_lack(load_encoder(name)):
            raise StartError(missing)


def _named(document: dict[str, Any], thing: str) -> list[str]:
    """What all parts of a configuration name as this thing, or in the list of such things."""
    services = document.get("applications", [{"args": document}])  # the monolith's file is one
    arguments = [service.get("args", {}) for service in services]
    return sorted({name for args in arguments for name in [*args.get(f"{thing}s", []), args.get(thing)] if name})


def _interrupt(*_: object) -> None:
    signal.alarm(0)  # while Ray starts, its handler runs first and orders an abort in three seconds
    raise KeyboardInterrupt


def _take_signals(handler: Callable[..., None] | signal.Handlers) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _wait_until_ready(url: str) -> None:
    with httpx.Client(timeout=5) as client:
        while not _is_ready(client, url):
            time.sleep(0.1)


def _is_ready(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(f"{url}/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
