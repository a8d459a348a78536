"""Wires encoders and rerankers as their profiles say, for a replica or for `monolith.py`. Nothing here knows Ray."""

from collections.abc import Callable

from configs.settings import EncoderProfile, encoder_folder, reading_model
from deployments.knowledge.encoder import Encoder
from deployments.knowledge.encoding import PairModel, VectorModel
from deployments.knowledge.model_thread import ModelThread
from deployments.knowledge.reranker import Reranker
from deployments.knowledge.tokenizer import TextTokenizer

# The models' modules are imported where a model is loaded: torch takes seconds, and only who uses them should wait.


def make_encoder(profile: EncoderProfile) -> Encoder:
    """An embedding model, loaded at its first use. Raises as `encoder_folder` does."""
    return Encoder(TextTokenizer(encoder_folder(profile)), ModelThread(_vector_model(profile), profile.name))


def make_reranker(profile: EncoderProfile) -> Reranker:
    """A reranking model, loaded at its first use. Raises as `encoder_folder` does."""
    load = _max_sim(profile) if profile.kind == "maxsim" else _cross_encoder(profile)
    return Reranker(ModelThread(load, profile.name))


def _vector_model(profile: EncoderProfile) -> Callable[[], VectorModel]:
    folder = encoder_folder(profile)

    def load() -> VectorModel:
        from deployments.knowledge.mean_pooling import MeanPooling  # noqa: PLC0415
        from deployments.knowledge.transformer import Transformer  # noqa: PLC0415

        marks = TextTokenizer(folder).marks
        transformer = Transformer(folder, marks=marks, window=profile.window, threads=_threads(profile))
        if transformer.width != profile.dimensions:
            raise ValueError(f"{profile.name} has {transformer.width} dimensions, its profile says another number")
        return MeanPooling(transformer)

    return load


def _max_sim(profile: EncoderProfile) -> Callable[[], PairModel]:
    folder, window = encoder_folder(profile), reading_model(profile).window

    def load() -> PairModel:
        from deployments.knowledge.max_sim import MaxSim  # noqa: PLC0415
        from deployments.knowledge.transformer import Transformer  # noqa: PLC0415

        tokenizer = TextTokenizer(folder)
        transformer = Transformer(folder, marks=tokenizer.marks, window=window, threads=_threads(profile))
        return MaxSim(transformer, tokenizer)

    return load


def _cross_encoder(profile: EncoderProfile) -> Callable[[], PairModel]:
    folder = encoder_folder(profile)

    def load() -> PairModel:
        from deployments.knowledge.cross_encoder import CrossEncoder  # noqa: PLC0415

        return CrossEncoder(folder, window=profile.window, threads=_threads(profile))

    return load


def _threads(profile: EncoderProfile) -> int:
    return max(1, int(profile.num_cpus))
