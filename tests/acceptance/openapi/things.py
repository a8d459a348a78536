"""Something of every kind that a path can name, on a server whose address the environment has."""

import os
import time
from typing import Any

import httpx

ADDRESS = "SERVER_UNDER_TEST"
PATIENCE_S = 60


class Things:
    """Made when they are first asked for, and again when they may have been deleted."""

    def __init__(self) -> None:
        self._http = httpx.Client(base_url=os.environ[ADDRESS], timeout=PATIENCE_S)
        self._ids: dict[str, str] = {}

    def named(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """These parameters of a path, naming what exists."""
        return {name: self._id(name) for name in parameters}

    def forget(self, parameters: dict[str, Any]) -> None:
        """They may be gone."""
        for name in parameters:
            self._ids.pop(name, None)

    def _id(self, name: str) -> str:
        if name not in self._ids:
            self._ids[name] = self._make(name)
        return self._ids[name]

    def _make(self, name: str) -> str:
        match name:
            case "model":
                made = "scripted"
            case "response_id":
                body = {"model": "scripted", "input": "Hi", "background": True}
                made = self._post("/v1/responses", body)["id"]
            case "conversation_id":
                made = self._post("/v1/conversations", {})["id"]
                self._ids.pop("item_id", None)
            case "item_id":
                items = {"items": [{"role": "user", "content": "Hi"}]}
                made = self._post(f"/v1/conversations/{self._id('conversation_id')}/items", items)["data"][0]["id"]
            case "prompt_id":
                made = self._post("/v1/prompts", {"name": "greeting", "template": "Hi {{name}}"})["id"]
            case "job_id":
                made = self._dead_letter()
            case _:
                made = self._brought(name)
        return str(made)

    def _brought(self, name: str) -> str:
        """What clients bring along."""
        match name:
            case "file_id":
                made = self._made("/v1/files", data={"purpose": "vision"}, files={"file": ("a", b"a")})["id"]
            case "upload_id":
                upload = {"filename": "a", "purpose": "vision", "mime_type": "text/plain", "bytes": 1}
                made = self._post("/v1/uploads", upload)["id"]
            case "vector_store_id":
                made = self._post("/v1/vector_stores", {"name": "notes"})["id"]
            case "file_batch_id":
                made = f"vsfb_{'0' * 28}"  # without an encoder there is none
            case "batch_id":
                batch = {"input_file_id": "file-1", "endpoint": "/v1/responses", "completion_window": "1h"}
                made = self._post("/v1/batches", batch)["id"]
        return str(made)

    def _dead_letter(self) -> str:
        """A job that has failed, so that it can be looked at in every way."""
        body = {"model": "scripted", "prompt": "Hi", "metadata": {"scripted": '{"fail": "raise"}'}}
        job: str = self._post("/async-generate", body)["job_id"]
        give_up_at = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up_at:
            if self._http.get(f"/dead-letters/{job}").is_success:
                return job
            time.sleep(0.05)
        raise AssertionError(f"{job} has not become a dead letter")

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self._made(path, json=body)

    def _made(self, path: str, **body: Any) -> Any:
        reply = self._http.post(path, **body)
        assert reply.is_success, reply.text
        return reply.json()
