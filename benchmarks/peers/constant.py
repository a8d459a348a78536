"""The ceiling: the endpoint alone, which answers a constant and keeps nothing."""

from pydantic import BaseModel
from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from benchmarks.peers.endpoint import endpoint


class Args(BaseModel):
    """What the config file sets."""

    max_ongoing_requests: int


@serve.ingress()
class Constant:
    """Answers."""

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return endpoint(lambda _: "resp_constant")


def build(args: Args) -> Application:
    """The application."""
    options = {"max_ongoing_requests": args.max_ongoing_requests, "ray_actor_options": {"num_cpus": 0.1}}
    return serve.deployment(Constant, name="constant", **options).bind()
