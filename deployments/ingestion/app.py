"""The HTTP application, the same for every wiring: uvicorn runs it in the monolith, Ray Serve in the others."""

from collections.abc import Callable, Mapping

from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from deployments.ingestion import document, errors
from deployments.ingestion.batches import batch_routes
from deployments.ingestion.bodies import GenerateBody
from deployments.ingestion.chat import chat_routes
from deployments.ingestion.completions import completion_routes
from deployments.ingestion.conversations import conversation_routes
from deployments.ingestion.dead_letters import dead_letter_routes
from deployments.ingestion.direct import DirectService
from deployments.ingestion.embedding_service import EmbeddingService
from deployments.ingestion.embeddings import embedding_routes
from deployments.ingestion.files import file_routes
from deployments.ingestion.jobs import generate_route, job_routes
from deployments.ingestion.middleware import Authentication, BodyLimit, Identity
from deployments.ingestion.openai import openai_routes
from deployments.ingestion.probes import probe_routes
from deployments.ingestion.prompts import prompt_routes
from deployments.ingestion.responses import response_routes
from deployments.ingestion.service import GENERATE_PATH, IngestionService
from deployments.ingestion.socket import socket_route
from deployments.ingestion.stream import stream_route
from deployments.ingestion.uploads import upload_routes
from deployments.ingestion.vector_files import vector_file_routes
from deployments.ingestion.vector_stores import vector_store_routes
from deployments.knowledge.library import Library
from pipelines.ports import Ports

NATIVE_ROUTES = (job_routes, dead_letter_routes, stream_route)
OPENAI_ROUTES = (response_routes, conversation_routes, prompt_routes)
DEFAULT_BODY_LIMIT = 10 * 1024 * 1024
DEFAULT_FILE_LIMIT = 512 * 1024 * 1024


def create_app(  # noqa: PLR0913 - one per part
    service: IngestionService,
    direct: DirectService,
    library: Library,
    embeddings: EmbeddingService,
    *,
    ports: Ports,
    tenants: Mapping[str, str] | None = None,
    body_limit: int = DEFAULT_BODY_LIMIT,
    file_limit: int = DEFAULT_FILE_LIMIT,
    exposition: Callable[[], bytes] | None = None,
) -> ASGIApp:
    """All routes. `tenants` is {bearer token: name}; `exposition` gives the metrics' text where we serve it."""
    routers = [
        *(make(service) for make in (*NATIVE_ROUTES, *OPENAI_ROUTES)),
        socket_route(service, limit=body_limit),
        *(make(direct) for make in (chat_routes, completion_routes)),
        openai_routes(service, embeddings.cards),
        embedding_routes(embeddings),
        file_routes(library.files, library.batches),
        batch_routes(library.batches),
        upload_routes(library.uploads),
        vector_store_routes(library.stores),
        vector_file_routes(library.store_files),
        probe_routes(service, exposition),
    ]
    routes: list[BaseRoute] = [generate_route(service)]  # they are tried in their order
    routes += (route for router in routers for route in router.routes)  # to include a router would make each again
    app = FastAPI(title="Heliograph", redirect_slashes=False, routes=routes)
    errors.install(app)
    accepted = {"responses": {"202": {"description": "It is on disk"}}}
    document.install(app, {GENERATE_PATH: document.described(GenerateBody) | accepted})
    app.add_middleware(BodyLimit, limit=body_limit, file_limit=file_limit)
    app.add_middleware(Authentication, tenants=tenants or {})
    app.add_middleware(Identity, ports=ports)  # the last one is the outermost
    return app
