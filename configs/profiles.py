"""The profiles of models and encoders in this folder, and where their files and keys are."""

import os
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from configs.settings import CONFIGS, Settings


class ModelProfile(Settings):
    """One model, as `configs/models/NAME.yaml` describes it."""

    name: str
    engine: Literal["vllm", "scripted", "openai", "anthropic"]
    # A folder, a hub's name, or the name of the packaged model; `openai`, `anthropic`: the model's name at the server.
    source: str = ""
    endpoint: str = Field(default="", pattern=r"^(https?://.+)?$")  # that server's base URL; "": the hosted service
    api_key_env: str = ""  # the environment variable with its key; "": see `endpoint_key`
    context: int = 2048  # tokens, prompt and output together
    default_max_output_tokens: int = 512
    slots: int = 64  # generations at once per replica
    attempt_limit_s: float = Field(default=3600.0, ge=0)  # a generation that takes longer is tried again; 0: no limit
    tool_parser: str = ""  # how the model writes calls: `hermes`, with engine `vllm` also any name that vLLM knows
    reasoning_parser: str = ""  # how it marks its reasoning: `think`, or as above; "": neither is looked for
    num_gpus: float = 0
    accelerator_type: str = ""  # the kind of GPU that a replica needs, as Ray names it (`H100`); "": any
    num_cpus: float = 1
    engine_args: dict[str, Any] = Field(default_factory=dict)  # handed to vLLM's AsyncEngineArgs


class EncoderProfile(Settings):
    """A model that reads for the search in files, as `configs/encoders/NAME.yaml` describes it.

    `embedding` turns texts into vectors. `maxsim` and `cross_encoder` say how well passages answer a query.
    """

    name: str
    kind: Literal["embedding", "maxsim", "cross_encoder"]
    model: str = ""  # `maxsim`: the embedding model by whose tokens it compares
    package: str = ""  # an installed package that holds the model's files
    source: str = ""  # a folder or a hub's name; with `package`, the folder in it
    window: int = Field(default=512, ge=16)  # tokens read at once; what is longer is read in windows
    dimensions: int = Field(default=0, ge=0)  # `embedding`: of its vectors
    batch_size: int = Field(default=64, ge=1)  # texts read together
    batch_wait_s: float = Field(default=0.005, ge=0)  # how long a replica waits for more of them
    lazy: bool = False  # load at first use, which then takes seconds, and not at the start
    num_gpus: float = 0
    num_cpus: float = 1  # it computes on as many threads, and on one at least


def load_profile(name: str) -> ModelProfile:
    """The profile of a model. Raises FileNotFoundError, naming the known ones, where there is none."""
    return ModelProfile.model_validate(_read("model", CONFIGS / "models" / f"{name}.yaml"))


def load_encoder(name: str) -> EncoderProfile:
    """The profile of an encoder. Raises FileNotFoundError as above."""
    return EncoderProfile.model_validate(_read("encoder", CONFIGS / "encoders" / f"{name}.yaml"))


def _read(kind: str, path: Path) -> dict[str, Any]:
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
        raise FileNotFoundError(f"no {kind} profile {path.stem!r} in {path.parent}; there are: {known}")
    return {"name": path.stem, **yaml.safe_load(path.read_text())}


def model_cache() -> Path:
    """Where `heliograph model add` keeps models: HELIOGRAPH_MODELS, or the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "heliograph" / "models"
    return Path(os.environ.get("HELIOGRAPH_MODELS", default)).expanduser()


def model_folder(profile: ModelProfile) -> Path:
    """The folder with the model's files, whether or not it is there yet."""
    source = Path(profile.source).expanduser()
    return source if source.is_dir() else model_cache() / profile.name


def reading_model(profile: EncoderProfile) -> EncoderProfile:
    """The encoder whose files these are: that of a `maxsim`'s embedding model, else itself."""
    return load_encoder(profile.model) if profile.kind == "maxsim" else profile


def encoder_folder(profile: EncoderProfile) -> Path:
    """The folder with an encoder's files, as above. Raises PackageNotFoundError where its package is not installed."""
    profile = reading_model(profile)
    if profile.package:
        return Path(str(distribution(profile.package).locate_file(profile.source)))
    source = Path(profile.source).expanduser()
    return source if profile.source and source.is_dir() else model_cache() / profile.name


def endpoint_key(profile: ModelProfile) -> str:
    """The key of a profile's server. Raises LookupError where the variable that should hold it is empty.

    The hosted services have variables of their own, OPENAI_API_KEY and ANTHROPIC_API_KEY. Any other server gets a key
    only where the profile names its variable, so that no key goes to whom it was not made for.
    """
    name = profile.api_key_env or ("" if profile.endpoint else f"{profile.engine.upper()}_API_KEY")
    key = os.environ.get(name, "") if name else ""
    if name and not key:
        raise LookupError(f"the model {profile.name} needs its server's key in the environment variable {name}")
    return key
