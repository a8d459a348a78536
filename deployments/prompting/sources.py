"""What was found for a request, as numbered sources in the system's message."""

from collections.abc import Callable, Sequence

from deployments.file_search import FileSearch
from pipelines.payloads import Context, Message, Passage, Retrieval, Source

_GUIDE = """Answer with the help of these sources. Cite each one that you use by its number in brackets, such as [1].

{sources}"""


def chosen(search: FileSearch, context: Context) -> list[Passage]:
    """The passages that the client wants to be used: good enough, and not too many."""
    good = [passage for passage in context.passages if passage.score >= search.score_threshold]
    return good[: search.max_num_results]


def with_sources(
    messages: Sequence[Message], passages: Sequence[Passage], fits: Callable[[list[Message]], bool]
) -> tuple[list[Message], list[Passage]]:
    """The conversation with as many of the passages, the best first, as fit; and these."""
    least, most = 0, len(passages)
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if fits(_added(messages, passages[:middle])) else (least, middle - 1)
    return _added(messages, passages[:least]), list(passages[:least])


def retrieval_of(context: Context, used: Sequence[Passage], shown: Sequence[Passage] | None) -> Retrieval:
    """What the prompt tells of it. `shown` are the results for a client that wants them."""
    results = None
    if shown is not None:
        fields = {"file_id", "filename", "score", "text", "attributes"}
        results = [passage.model_dump(include=fields) for passage in shown]
    return Retrieval(queries=context.queries, sources=[_source(passage) for passage in used], results=results)


def _added(messages: Sequence[Message], passages: Sequence[Passage]) -> list[Message]:
    if not passages:
        return list(messages)
    sources = "\n\n".join([f"[{number}] {each.filename}\n{each.text}" for number, each in enumerate(passages, 1)])
    guide = _GUIDE.format(sources=sources)
    if messages and messages[0].role in ("system", "developer"):
        first = messages[0].model_copy(update={"content": f"{messages[0].content}\n\n{guide}"})
        return [first, *messages[1:]]
    return [Message(role="system", content=guide), *messages]


def _source(passage: Passage) -> Source:
    return Source(file_id=passage.file_id, filename=passage.filename, start=passage.start, end=passage.end)
