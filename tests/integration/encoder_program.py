"""Run as a program: asks the encoders of a cluster by their handles, many at once. Prints JSON."""

import asyncio
import json
import sys
from typing import Any

import numpy as np
import ray

from deployments.knowledge.encoding import TextOrTokens
from deployments.remote_encoders import EncoderReplicas, RemoteEncoder, RemoteReranker
from pipelines.errors import HeliographError

TEXTS = [f"{word} number {number}" for number in range(40) for word in ("ship", "lamp", "loaf", "cat")]
PASSAGES = ["The keeper trims the lamp of the lighthouse.", "Bread is baked of flour.", "Ships sail at night."] * 40


async def embed(encoder: RemoteEncoder) -> dict[str, Any]:
    """More than a batch, one by one, and one by one beside ids that are none."""
    together = await encoder.embed(TEXTS)
    alone = await asyncio.gather(*(encoder.embed([text]) for text in TEXTS))
    good_and_bad: list[TextOrTokens] = [TEXTS[0], [10**6]]
    mixed = await asyncio.gather(*(encoder.embed([each]) for each in good_and_bad * 4), return_exceptions=True)
    refused = {type(found).__name__ for found in mixed[1::2]}
    kept = [found.tokens for found in mixed[::2] if not isinstance(found, BaseException)]
    difference = np.abs(together.vectors - np.concatenate([each.vectors for each in alone])).max()
    return {
        "shape": together.vectors.shape,
        "difference": float(difference),
        "counts": together.tokens == [count for each in alone for count in each.tokens],
        "refused": sorted(refused),
        "kept": kept == [[together.tokens[0]]] * 4,
    }


async def rerank(reranker: RemoteReranker) -> dict[str, Any]:
    """Two queries at once over more than a batch of passages."""
    lamp, bread = await asyncio.gather(
        reranker.scores("who trims the lamp?", PASSAGES), reranker.scores("what is bread made of?", PASSAGES)
    )
    return {"counts": [len(lamp), len(bread)], "best": [int(np.argmax(scores[:3])) for scores in (lamp, bread)]}


async def nobody() -> str:
    """What a service that is not there gives."""
    replicas = EncoderReplicas.find("embedding", "nobody", "embed", receipt_s=1.0)
    try:
        await RemoteEncoder(replicas, size=1).embed(["Hi"])
    except HeliographError as error:
        return type(error).__name__
    return "an answer"


async def main() -> None:
    encoder, reranker = RemoteEncoder.find("all-minilm-l6-v2"), RemoteReranker.find("maxsim")
    report = {"embedded": await embed(encoder), "reranked": await rerank(reranker), "nobody": await nobody()}
    print(json.dumps(report))  # noqa: T201


if __name__ == "__main__":
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="warning")
    asyncio.run(main())
