"""What is set of the system, its services and its tools, in this folder's files and in the environment.

The environment is read here, in `profiles.py` and in `actors/crash_points.py` only. `deployments/app.py` and the
command line hand plain values from here to everything else.
"""

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

CONFIGS = Path(__file__).parent
ENGINE_CORES = "HELIOGRAPH_ENGINE_CORES"  # set by `heliograph serve` for its processes


# A `postgresql://` URL: journal and token log live there instead of in the data folder. The variable is for a URL with
# a password, which a file shown by Serve's dashboard should not have.
Database = Field(
    default_factory=lambda: os.environ.get("HELIOGRAPH_DATABASE", ""),
    validate_default=True,
    pattern=r"^(postgres(ql)?://.+)?$",
)
# Where clients' files are kept: a URL that obstore knows, such as `s3://bucket/prefix`, instead of the data folder.
Objects = Field(default="", pattern=r"^([a-z0-9]+://.+)?$")
# Where the index of vector stores is kept: a URL as above, instead of the data folder.
Index = Field(default="", pattern=r"^([a-z0-9]+://.+)?$")
# Tenants are spread over so many journals and token logs; fixed when the data folder or the database is created.
Shards = Field(default=1, ge=1, le=1024)
Backlog = Field(default=10_000_000, ge=1)  # open jobs of a shard; more are refused with 429 until some have ended
TokenBudgets = dict[str, Annotated[int, Field(ge=0)]]  # by tenant: output tokens; who is not named is not limited

# How long a finished job is kept with all that is its own, and how many bytes those of a shard take (0: any number).
RetentionSeconds = Field(default=30 * 86400.0, gt=0)
RetentionBytes = Field(default=0, ge=0)


class Settings(BaseModel):
    """Base: unknown keys are errors, so that a typing mistake is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class TenantLimits(Settings):
    """What a tenant may have at once; 0: any number."""

    jobs: int = Field(default=0, ge=0)  # open, lines of batches aside; more are refused with 429
    steps: int = Field(default=0, ge=0)  # of each topic in work; more of them wait while others go on


class Telemetry(Settings):
    """What a process tells about itself."""

    log_level: str = "INFO"
    otlp_endpoint: str = Field(
        default_factory=lambda: os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    )  # "": no traces


class ApplicationSettings(Settings):
    """What every Serve application has."""

    version: str = ""  # of the code, as you name it: another one has Serve replace the replicas
    telemetry: Telemetry = Field(default_factory=Telemetry)


class ServiceSettings(ApplicationSettings):
    """What every service has."""

    drain_s: float = Field(default=30.0, ge=0)  # in which a replica that leaves may end what it has begun


class PlaneSettings(ApplicationSettings):
    """The shared actors."""

    data: str = "./.heliograph"  # folder of journal, token log and payloads
    database: str = Database
    shards: int = Shards
    objects: str = Objects
    index: str = Index
    backlog_limit: int = Backlog
    token_budgets: TokenBudgets = Field(default_factory=dict)
    tenant_limits: dict[str, TenantLimits] = Field(default_factory=dict)  # by tenant; "*" is whoever is not named
    retention_s: float = RetentionSeconds
    retention_bytes: int = RetentionBytes


class Replicas(Settings):
    """How many replicas. Where `least` and `most` differ, the work that waits decides; all else is in seconds."""

    least: int = Field(default=1, ge=0)  # with 0, name the model in ingestion's `on_demand` too
    most: int = Field(default=1, ge=1)
    backlog_s: float = Field(default=30.0, gt=0)  # in which the work that waits should be done
    upscale_delay_s: float = Field(default=2.0, ge=0)
    downscale_delay_s: float = Field(default=300.0, ge=0)  # since the last time that as many were needed
    downscale_to_zero_delay_s: float = Field(default=600.0, ge=0)
    finish_s: float = Field(default=60.0, ge=0)  # how long a surplus stays while those that would go hold work


class StandingReplicas(Replicas):
    """The same where nothing is accepted without one."""

    least: int = Field(default=1, ge=1)


class PromptingSettings(ServiceSettings):
    """The prompt workers."""

    models: list[str]
    replicas: StandingReplicas = Field(default_factory=StandingReplicas)


class BatchingSettings(ServiceSettings):
    """The batch workers."""

    models: list[str]
    encoders: list[str] = Field(default_factory=list)  # embedding models
    replicas: Replicas = Field(default_factory=Replicas)


class InferenceSettings(ServiceSettings):
    """The inference workers of one model."""

    model: str
    replicas: Replicas = Field(default_factory=Replicas)


class EncoderSettings(ServiceSettings):
    """The workers of one encoder."""

    encoder: str
    replicas: Replicas = Field(default_factory=Replicas)


class HistorySettings(ServiceSettings):
    """The history service."""


class KnowledgeSettings(ServiceSettings):
    """Who indexes and searches the files of vector stores."""

    encoder: str  # that makes vectors of their texts
    reranker: str = ""  # that puts what was found in its final order; "": none does


class IngestionSettings(ServiceSettings):
    """The HTTP surface."""

    models: list[str]
    encoder: str = ""  # that of the application `knowledge`; "": there is none, and no files are indexed
    on_demand: list[str] = Field(default_factory=list)  # models that may have no replica until they are asked for
    encoders: list[str] = Field(default_factory=list)  # embedding models
    tenants: dict[str, str] = Field(default_factory=dict)  # bearer token: tenant; empty: all are `default`
    body_limit_bytes: int = 10 * 1024 * 1024
    file_limit_bytes: int = 512 * 1024 * 1024  # of an upload


class DrivingSettings(IngestionSettings):
    """The HTTP surface, where it drives the jobs and calls the services for each step."""

    # `http://HOST:PORT/PREFIX` of the application `prompting`; "": it is called by handle, as all others are.
    prompting: str = Field(default="", pattern=r"^(https?://.+)?$")


class MonolithSettings(Settings):
    """The whole system in one process."""

    host: str = "127.0.0.1"
    port: int = 8000
    data: str = "./.heliograph"
    database: str = Database
    shards: int = Shards
    objects: str = Objects
    index: str = Index
    backlog_limit: int = Backlog
    token_budgets: TokenBudgets = Field(default_factory=dict)
    tenant_limits: dict[str, TenantLimits] = Field(default_factory=dict)  # by tenant; "*" is whoever is not named
    retention_s: float = RetentionSeconds
    retention_bytes: int = RetentionBytes
    models: list[str]
    encoder: str = ""  # that makes vectors of the files in vector stores; "": none are indexed
    reranker: str = ""  # that puts what was found in its final order; "": none does
    encoders: list[str] = Field(default_factory=list)
    tenants: dict[str, str] = Field(default_factory=dict)
    body_limit_bytes: int = 10 * 1024 * 1024
    file_limit_bytes: int = 512 * 1024 * 1024  # of an upload
    telemetry: Telemetry = Field(default_factory=Telemetry)


def spare_cores() -> int:
    """How many cores vLLM leaves to others where it computes on the CPU; 0 where it is told which ones to take."""
    if os.environ.get("VLLM_CPU_OMP_THREADS_BIND", "auto") != "auto":
        return 0
    return int(os.environ.get("VLLM_CPU_NUM_OF_RESERVED_CPU") or 1)


def engine_cores() -> set[int]:
    """The processors that engines may compute on, noted by a server that keeps off them; none: those of the process."""
    return {int(cpu) for cpu in os.environ.get(ENGINE_CORES, "").split(",") if cpu}


def prompts_folder() -> Path:
    """The built-in prompt templates."""
    return CONFIGS / "prompts"


def server_url() -> str:
    """Where the command line looks for the server: HELIOGRAPH_URL, or where `heliograph serve` is by default."""
    return os.environ.get("HELIOGRAPH_URL", "http://127.0.0.1:8000")


def api_key() -> str:
    """The bearer token of the command line's tenant: HELIOGRAPH_API_KEY, or "" for the default tenant."""
    return os.environ.get("HELIOGRAPH_API_KEY", "")
