"""Whether what a request wants to have searched can be searched; who asks for it is told at once."""

from actors.coalescer import Coalescer
from actors.journal.protocol import JournalApi
from actors.journal.vector_queries import StoreQueries, StoreQuery
from deployments.file_search import FileSearch, file_search
from deployments.knowledge.filters import parse_filters
from deployments.knowledge.vector_errors import expired, no_encoder, unknown_store
from events.ids import is_id
from pipelines.errors import RejectError
from pipelines.payloads import Request
from pipelines.ports import Ports
from pipelines.vector_edits import VectorStore


class SearchCheck:
    """For one process. `possible` says whether there is knowledge to ask."""

    def __init__(self, journal: JournalApi, ports: Ports, *, possible: bool) -> None:
        self._journal = journal
        self._clock = ports.clock
        self._possible = possible
        self._rows: Coalescer[StoreQuery, VectorStore | None] = Coalescer(self._read, name="stores", ports=ports)

    async def check(self, tenant: str, request: Request) -> None:
        """Raises RejectError where a search is malformed, or a store unknown or expired."""
        search = file_search(request)
        if search is None:
            return
        if not self._possible:
            raise no_encoder()
        self._check_words(search)
        odd = next((store for store in search.stores if not is_id(store)), None)
        if odd is not None:
            raise unknown_store(odd)
        rows = await self._rows.do([StoreQuery(tenant, store) for store in search.stores])
        for store, row in zip(search.stores, rows, strict=True):
            if row is None:
                raise unknown_store(store)
            if row.expired(self._clock.now()):
                raise expired(store)

    async def _read(self, queries: list[StoreQuery]) -> list[VectorStore | None]:
        """One question for all that wait."""
        return await self._journal.ask(StoreQueries(queries))

    def _check_words(self, search: FileSearch) -> None:
        if search.filters is not None:
            parse_filters(search.filters, "tools.filters")
        if not any(query.strip() for query in search.queries):
            raise RejectError("A file search needs a message of the user.", "invalid_value", "input")
