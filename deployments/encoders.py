"""Wires encoders and rerankers as their profiles say, for a replica or for `monolith.py`. Nothing here knows Ray."""

from collections.abc import Callable, Container, Iterable, Mapping

from configs.profiles import EncoderProfile, encoder_folder, load_encoder, reading_model
from deployments.ingestion.cards import EncoderCard
from deployments.ingestion.embedding_service import EmbeddingService
from deployments.knowledge.batching import BatchedEncoder, BatchedReranker
from deployments.knowledge.encoder import Encoder
from deployments.knowledge.encoding import EncoderApi, PairModel, RerankerApi, VectorModel
from deployments.knowledge.model_thread import ModelThread
from deployments.knowledge.reranker import Reranker
from deployments.knowledge.tokenizer import TextTokenizer
from pipelines.ports import Ports

# The models' modules are imported where a model is loaded: torch takes seconds, and only who uses them should wait.


def make_encoder(profile: EncoderProfile) -> Encoder:
    """An embedding model, loaded at its first use. Raises as `encoder_folder` does."""
    return Encoder(TextTokenizer(encoder_folder(profile)), ModelThread(_vector_model(profile), profile.name))


def make_reranker(profile: EncoderProfile) -> Reranker:
    """A reranking model, loaded at its first use. Raises as `encoder_folder` does."""
    load = _max_sim(profile) if profile.kind == "maxsim" else _cross_encoder(profile)
    return Reranker(ModelThread(load, profile.name))


class LocalEncoders:
    """The encoders and rerankers of one process by their names, each with its callers put together."""

    def __init__(self, names: Iterable[str], *, ports: Ports) -> None:
        self.embedding: dict[str, EncoderApi] = {}
        self.reranking: dict[str, RerankerApi] = {}
        self._models: list[tuple[EncoderProfile, Encoder | Reranker]] = []
        for profile in map(load_encoder, names):
            self._models.append((profile, self._make(profile, ports)))

    async def start(self) -> None:
        """Load those that are not lazy."""
        for profile, model in self._models:
            if not profile.lazy:
                await model.start()

    def close(self) -> None:
        """Let go of their threads."""
        for _, model in self._models:
            model.close()

    def _make(self, profile: EncoderProfile, ports: Ports) -> Encoder | Reranker:
        if profile.kind == "embedding":
            encoder = make_encoder(profile)
            self.embedding[profile.name] = BatchedEncoder(encoder, size=profile.batch_size, ports=ports)
            return encoder
        reranker = make_reranker(profile)
        self.reranking[profile.name] = BatchedReranker(reranker, size=profile.batch_size, ports=ports)
        return reranker


def make_embeddings(encoders: Mapping[str, EncoderApi], *, models: Container[str], ports: Ports) -> EmbeddingService:
    """What serves vectors over HTTP by these embedding models; `models` are those that generate."""
    return EmbeddingService(cards=make_encoder_cards(encoders), encoders=encoders, models=models, ports=ports)


def make_encoder_cards(names: Iterable[str]) -> dict[str, EncoderCard]:
    """What is known of these embedding models, by name."""
    return {
        profile.name: EncoderCard(
            name=profile.name, dimensions=profile.dimensions, tokenizer=TextTokenizer(encoder_folder(profile))
        )
        for profile in map(load_encoder, names)
    }


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
