"""History on in-memory parts, and jobs that end, for tests."""

from pathlib import Path
from typing import Any

from actors.blobs import Blobs
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.token_log.memory import Disk as TokenDisk
from actors.token_log.memory import MemoryTokenStore
from actors.token_log.token_log import TokenLog
from deployments.history.history import History
from deployments.prompting.templates import Templates
from pipelines.commands import Generated, Submit
from pipelines.jobs import Status, Usage
from pipelines.payloads import Request, Result
from tests.factories import INFERENCE, PROMPTING, ManualClock, claim, finish, make_ports, rendered, submit
from tests.ingestion_house import CONFIGS

TENANT = "default"


class HistoryHouse:
    """A journal and its history."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        ports = make_ports(self.clock)
        self.journal = Journal(MemoryStore(Disk(uuid="one")), ports=ports, coming_s=0)
        self.token_log = TokenLog(MemoryTokenStore(TokenDisk(uuid="two")), ports=ports)
        self.blobs = Blobs(self.journal, folder, ports.clock)
        templates = Templates(CONFIGS / "prompts")
        self.history = History(
            journal=self.journal, token_log=self.token_log, blobs=self.blobs, ports=ports, templates=templates
        )

    async def accept(self, number: int, request: Request, **changes: Any) -> Submit:
        """Submit a job with this request."""
        (payload,) = await self.blobs.pack_many([(TENANT, request.encode())])
        command = submit(number, request=payload, stored=request.stored, **changes)
        await self.journal.submit([command])
        return command

    async def complete(self, output: list[dict[str, Any]]) -> None:
        """Take the one open job to its end."""
        (claimed,) = await self.journal.claim(claim(PROMPTING, claim_id=f"p{self.clock.time}"))
        await self.journal.finish([finish(claimed, rendered())])
        (claimed,) = await self.journal.claim(claim(INFERENCE, claim_id=f"i{self.clock.time}"))
        result = Result(output=output, usage=Usage(3, 4), finish_reason="stop", engine_fingerprint="f")
        (payload,) = await self.blobs.pack_many([(TENANT, result.encode())])
        outcome = Generated(result=payload, status=Status.COMPLETED, usage=Usage(3, 4), finish_reason="stop", end=9)
        await self.journal.finish([finish(claimed, outcome)])
        self.clock.time += 1


def item(item_id: str, text: str = "Hi", role: str = "user") -> dict[str, Any]:
    """A message."""
    kind = "output_text" if role == "assistant" else "input_text"
    return {"id": item_id, "type": "message", "role": role, "content": [{"type": kind, "text": text}]}
