"""Wires knowledge: the index with who searches it and who puts files into it, for a replica or for `monolith.py`.

The same stages index on threads of the process and as a dataset of Ray Data, with the same index at the end.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from actors.blobs import Blobs
from actors.index import Index
from actors.journal.protocol import JournalApi, Places, Worker
from actors.objects import Objects
from actors.puller import Handler
from actors.system import real_ports
from configs.profiles import encoder_folder, load_encoder
from deployments.encoders import LocalEncoders
from deployments.knowledge.converter import Converter
from deployments.knowledge.encoding import EncoderApi, RerankerApi
from deployments.knowledge.indexer import FileIndexer, RunPipeline
from deployments.knowledge.indexing import IndexingTools
from deployments.knowledge.indexing_worker import IndexingWorker
from deployments.knowledge.knowledge import Knowledge, OpenKnowledge
from deployments.knowledge.live_files import LiveFiles
from deployments.knowledge.retrieval import Retriever
from deployments.knowledge.search_steps import SLOTS, SearchWorker, Work, reranking, retrieving
from deployments.knowledge.searcher import Searcher
from deployments.knowledge.tokenizer import TextTokenizer
from pipelines.data.dataset import index_on_ray
from pipelines.data.indexing import Report, Task, index_here
from pipelines.ports import Ports
from pipelines.steps import INDEXING_TOPIC, RERANKING_TOPIC, RETRIEVAL_TOPIC

INDEXING_SLOTS = 64  # files indexed at once, at the most
INDEXING_LIMIT_S = 900.0  # for a file, and those that are indexed with it
SEARCH_LIMIT_S = 30.0  # for a batch of searches
MANY = 16  # files; a dataset takes seconds to begin, which fewer are not worth


class Post(NamedTuple):
    """A worker of knowledge: how it registers, and what it does."""

    worker: Worker
    handler: Handler


def posts(
    knowledge: Knowledge, *, worker_id: str, handle: object = None, journal: JournalApi, blobs: Blobs, ports: Ports
) -> list[Post]:
    """The workers that pull for knowledge in one process."""

    def post(topic: str, slots: int, limit_s: float, handler: Handler) -> Post:
        name = f"{worker_id}.{topic}"
        return Post(Worker(id=name, topic=topic, slots=slots, handle=handle, attempt_limit_s=limit_s), handler)

    def searching(topic: str, work: Work) -> Post:
        return post(topic, SLOTS, SEARCH_LIMIT_S, SearchWorker(work, journal=journal, blobs=blobs, ports=ports))

    indexing = IndexingWorker(knowledge.indexer, slots=INDEXING_SLOTS, journal=journal, blobs=blobs, ports=ports)
    retrieve = retrieving(knowledge.finder, reranked=knowledge.reranker is not None)
    found = [post(INDEXING_TOPIC, INDEXING_SLOTS, INDEXING_LIMIT_S, indexing), searching(RETRIEVAL_TOPIC, retrieve)]
    if knowledge.reranker is not None:
        found.append(searching(RERANKING_TOPIC, reranking(knowledge.reranker)))
    return found


def local_knowledge(encoders: LocalEncoders, encoder: str, reranker: str) -> OpenKnowledge:
    """Knowledge on encoders of the same process."""

    def open_it(journal: JournalApi, places: Places, ports: Ports) -> Knowledge:
        reads, index = encoders.embedding[encoder], Index(places.indexes, ports.ids)
        run = _on_threads(make_tools(places, encoder, reads, index))
        return _open(journal, index, ports, run=run, encoder=reads, reranker=encoders.reranking.get(reranker))

    return open_it


def remote_knowledge(encoder: str, reranker: str) -> OpenKnowledge:
    """Knowledge on the encoders' services; many files at once are indexed by Ray Data."""
    return partial(_open_remote, encoder=encoder, reranker=reranker)


@dataclass(frozen=True, slots=True)
class ToolMaker:
    """Makes tools in any process of a Ray cluster; it is pickled on the way there."""

    places: Places
    encoder: str

    def __call__(self) -> IndexingTools:
        """Tools of this process."""
        index = Index(self.places.indexes, real_ports().ids)
        return make_tools(self.places, self.encoder, _remote_encoder(self.encoder), index)


def make_tools(places: Places, name: str, encoder: EncoderApi, index: Index) -> IndexingTools:
    """What the stages of indexing work with. `name` is that of the encoder's profile."""
    return IndexingTools(
        objects=Objects(places.objects),
        converter=Converter(),
        tokenize=TextTokenizer(encoder_folder(load_encoder(name))).spans,
        encoder=encoder,
        index=index,
    )


def _open_remote(journal: JournalApi, places: Places, ports: Ports, *, encoder: str, reranker: str) -> Knowledge:
    from deployments.remote_encoders import RemoteReranker  # noqa: PLC0415 - the monolith has no Ray

    maker, reads = ToolMaker(places, encoder), _remote_encoder(encoder)
    index = Index(places.indexes, ports.ids)
    on_threads = _on_threads(make_tools(places, encoder, reads, index))

    def run(tasks: Sequence[Task], report: Report) -> Awaitable[None]:
        return index_on_ray(tasks, maker, report) if len(tasks) >= MANY else on_threads(tasks, report)

    ranks = RemoteReranker.find(reranker) if reranker else None
    return _open(journal, index, ports, run=run, encoder=reads, reranker=ranks)


def _open(
    journal: JournalApi,
    index: Index,
    ports: Ports,
    *,
    run: RunPipeline,
    encoder: EncoderApi,
    reranker: RerankerApi | None,
) -> Knowledge:
    searcher = Searcher(Retriever(index, encoder, reranker), live=LiveFiles(journal, ports), index=index)
    return Knowledge(api=searcher, finder=searcher, indexer=FileIndexer(run), remover=index, reranker=reranker)


def _on_threads(tools: IndexingTools) -> RunPipeline:
    return lambda tasks, report: index_here(tasks, tools, report)


def _remote_encoder(name: str) -> EncoderApi:
    from deployments.remote_encoders import RemoteEncoder  # noqa: PLC0415 - as above

    return RemoteEncoder.find(name)
