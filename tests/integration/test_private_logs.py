"""What a client says never reaches the log: not when all goes well, and not in an error."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from configs.settings import MonolithSettings
from deployments.monolith import Monolith

SAID = "xyzzy-plugh"
BODIES: list[dict[str, Any]] = [
    {"prompt": SAID},
    {"prompt": SAID, "metadata": {"scripted": json.dumps({"fail": "raise", "at": 1, "attempts": 1})}},
    {"prompt": SAID, "metadata": {"scripted": f"no script but {SAID}"}},
    {"template": "explain", "variables": {"topic": SAID}},
    {"template": SAID, "variables": {}},
    {"prompt": {"no": SAID}},
    {"messages": [{"role": "user", "content": [{"type": "image", "text": SAID}]}]},
]


async def send(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    """Returns when the job has ended, or was refused."""
    reply = await client.post("/async-generate", json={"model": "scripted", **body})
    if reply.status_code != 202:
        return
    async with asyncio.timeout(60):
        while (await client.get(reply.json()["links"]["self"])).json()["status"] in ("queued", "in_progress"):
            await asyncio.sleep(0.05)


async def test_no_log_line_has_what_the_client_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    house = Monolith(MonolithSettings(models=["scripted"], data=str(tmp_path)))
    await house.start()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url="http://heliograph") as client:
        await asyncio.gather(*(send(client, body) for body in BODIES))
    await house.stop()
    printed = "".join(capfd.readouterr())
    assert "ResultStored" in printed
    assert "JobRetried" in printed
    assert SAID not in printed
