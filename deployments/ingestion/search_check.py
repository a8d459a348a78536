"""Whether what a request wants to have searched can be searched; who asks for it is told at once."""

from actors.journal.protocol import JournalApi
from actors.journal.vector_queries import StoreQuery
from deployments.file_search import FileSearch, file_search
from deployments.knowledge.filters import parse_filters
from deployments.knowledge.vector_errors import expired, no_encoder, unknown_store
from events.ids import is_id
from pipelines.errors import RejectError
from pipelines.payloads import Request
from pipelines.ports import Clock


class SearchCheck:
    """For one process. `possible` says whether there is knowledge to ask."""

    def __init__(self, journal: JournalApi, clock: Clock, *, possible: bool) -> None:
        self._journal = journal
        self._clock = clock
        self._possible = possible

    async def check(self, tenant: str, request: Request) -> None:
        """Raises RejectError where a search is malformed, or a store unknown or expired."""
        search = file_search(request)
        if search is None:
            return
        if not self._possible:
            raise no_encoder()
        self._check_words(search)
        for store in search.stores:
            row = await self._journal.ask(StoreQuery(tenant, store)) if is_id(store) else None
            if row is None:
                raise unknown_store(store)
            if row.expired(self._clock.now()):
                raise expired(store)

    def _check_words(self, search: FileSearch) -> None:
        if search.filters is not None:
            parse_filters(search.filters, "tools.filters")
        if not any(query.strip() for query in search.queries):
            raise RejectError("A file search needs a message of the user.", "invalid_value", "input")
