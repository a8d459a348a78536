"""The Serve application of the shared actors. It alone imports what they are made of, the drivers of databases too."""

from pathlib import Path

from ray import serve
from ray.serve import Application

from actors.journal.protocol import Places
from actors.plane import ensure_shards
from actors.telemetry.setup import process_telemetry
from configs.settings import PlaneSettings
from deployments.app import limits_of
from deployments.departure import SMALL


class Plane:
    """Makes the shared actors; lives so that Serve has an application to show."""

    def __init__(self, settings: PlaneSettings) -> None:
        process_telemetry("plane", **settings.telemetry.model_dump())
        ensure_shards(
            Path(settings.data).absolute(),
            database=settings.database,
            places=Places(objects=settings.objects, indexes=settings.index),
            shards=settings.shards,
            telemetry=settings.telemetry.model_dump(),
            limits=limits_of(settings),
        )


def plane(settings: PlaneSettings) -> Application:
    """The shared actors."""
    return serve.deployment(Plane, name="plane", ray_actor_options=SMALL).bind(settings)
