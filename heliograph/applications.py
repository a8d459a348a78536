"""Puts the applications of a Serve config file on the Ray of this process, and lets the workers leave before it ends.

Import it only when Ray's variables are set: it imports ray.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from ray import serve
from ray._common.utils import import_attr
from ray.exceptions import RayActorError
from ray.experimental.internal_kv import _internal_kv_put
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary, serve_start
from ray.serve._private.application_state import StatusOverview
from ray.serve.context import _get_global_client
from ray.serve.schema import ApplicationStatus, ServeApplicationSchema, ServeDeploySchema

from deployments.departure import HASTE
from heliograph.errors import StartError

POLL_S = 0.5
DRAIN_S = 6.0  # of the 20 s that a stop may take
_PLAIN = {"name", "import_path", "route_prefix", "args"}
_ENGINES = frozenset({"inference"})
_OF_JOBS = frozenset({"plane", "ingestion", "prompting", "history"})  # without these, too, no job is done
_PULLING = {"prompting", "batching", "knowledge", "inference"}


def deploy(document: dict[str, Any], progress: Callable[[str], None]) -> None:
    """Deploy what a job needs, and wait until it runs. Raises StartError where one of the applications cannot."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    config = ServeDeploySchema.model_validate(document)
    with contextlib.suppress(RayActorError):  # on a busy machine Serve replaces a proxy that is too slow to start
        serve_start(http_options=config.http_options.model_dump(), proxy_location=config.proxy_location)
    _ask_for(document, _ENGINES)  # they take longest, and load while the others are still being imported
    _await_running(_ask_for(document, _ENGINES | _OF_JOBS), progress)


def deploy_others(document: dict[str, Any], progress: Callable[[str], None]) -> None:
    """Deploy the rest beside it, likewise. Started together, all would be ready as late as the last one."""
    there = _statuses().keys()
    _await_running(_ask_for(document) - there, progress)


def _ask_for(document: dict[str, Any], services: frozenset[str] | None = None) -> set[str]:
    """Deploy the applications of these services, or all; their names. Those that are there are as they are to be."""
    wanted = [each for each in document["applications"] if services is None or _service(each["name"]) in services]
    config = ServeDeploySchema.model_validate({**document, "applications": wanted})
    there = _statuses().keys()
    if not wanted:
        return set()
    if all(application.keys() <= _PLAIN for application in document["applications"]):
        targets = [_build(application) for application in config.applications if application.name not in there]
        serve.run_many(targets, wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)
    else:
        _get_global_client().deploy_apps(config, _blocking=False)
    return {application.name for application in config.applications}


def _build(application: ServeApplicationSchema) -> serve.RunTarget:
    """What `serve deploy` does in a process for each application; here the imports are paid for once."""
    builder = import_attr(application.import_path)
    target = call_user_app_builder_with_args_if_necessary(builder, application.args)
    return serve.RunTarget(target=target, name=application.name, route_prefix=application.route_prefix)


def _await_running(names: set[str], progress: Callable[[str], None]) -> None:
    while names:
        time.sleep(POLL_S)
        for name, overview in _statuses().items():
            application = overview.app_status
            if application.status is ApplicationStatus.DEPLOY_FAILED:
                reasons = [each.message for each in overview.deployment_statuses if each.message]
                raise StartError("\n".join([f"application {name} failed: {application.message}", *reasons]))
            if application.status is ApplicationStatus.RUNNING and name in names:
                names.remove(name)
                progress(f"{name} runs")


def drain(document: dict[str, Any]) -> None:
    """Let the workers hand back what they hold at once, so that the next start need not wait for their leases."""
    names = [application["name"] for application in document["applications"]]
    workers = {name for name in names if _service(name) in _PULLING}
    client = _get_global_client(raise_if_no_controller_running=False)
    if client is None:
        return  # the start did not get that far
    _internal_kv_put(HASTE, b"1")
    client.delete_apps(list(workers), blocking=False)
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline and workers & _statuses().keys():
        time.sleep(POLL_S)


def _statuses() -> dict[str, StatusOverview]:
    """By application. `serve.status()` tells of their configurations as well, which costs it 0.1 to 0.3 s each time."""
    return {each.name: each for each in _get_global_client().list_serve_statuses()}


def _service(application: str) -> str:
    """An application is named after its service, and what it is of behind a dot."""
    return application.partition(".")[0]
