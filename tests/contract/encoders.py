"""The encoders and rerankers under test, the real ones with the packaged model."""

from functools import cache
from pathlib import Path

from configs.profiles import encoder_folder, load_encoder
from deployments.encoders import make_encoder, make_reranker
from deployments.knowledge.batching import BatchedEncoder, BatchedReranker
from deployments.knowledge.encoder import Encoder
from deployments.knowledge.encoding import EncoderApi, RerankerApi
from deployments.knowledge.reranker import Reranker
from deployments.knowledge.tokenizer import TextTokenizer
from tests.encoders import WordEncoder, WordReranker
from tests.factories import make_ports

MODEL = "all-minilm-l6-v2"
KINDS = ("alone", "batched", "words")


@cache
def minilm() -> Encoder:
    """Loaded once for all tests."""
    return make_encoder(load_encoder(MODEL))


@cache
def maxsim() -> Reranker:
    """Likewise."""
    return make_reranker(load_encoder("maxsim"))


def folder() -> Path:
    return encoder_folder(load_encoder(MODEL))


def tokenizer() -> TextTokenizer:
    return TextTokenizer(folder())


def encoder(kind: str) -> EncoderApi:
    match kind:
        case "alone":
            return minilm()
        case "batched":
            return BatchedEncoder(minilm(), size=3, ports=make_ports())
        case _:
            return WordEncoder()


def reranker(kind: str) -> RerankerApi:
    match kind:
        case "alone":
            return maxsim()
        case "batched":
            return BatchedReranker(maxsim(), size=3, ports=make_ports())
        case _:
            return WordReranker()
