"""Vector stores with the real client: files are uploaded, indexed, found, and gone."""

from collections.abc import Iterator
from typing import Any

import openai as sdk_errors
import pytest

TEXTS = {
    "cats.txt": b"Cats purr when they are content. A cat sleeps for most of the day.",
    "bread.txt": b"Bread is baked from flour, water and yeast. Dough rises before it is baked.",
    "stars.txt": b"Stars shine because hydrogen fuses in them. A star is born in a cloud of gas.",
}


@pytest.fixture
def store(openai: Any) -> Iterator[str]:
    made = openai.vector_stores.create(name="facts", expires_after={"anchor": "last_active_at", "days": 1})
    yield made.id
    openai.vector_stores.delete(made.id)


def add_texts(openai: Any, store: str) -> dict[str, str]:
    """The files' ids by name, once all of them are indexed."""
    ids = {name: openai.files.create(file=(name, text), purpose="assistants").id for name, text in TEXTS.items()}
    files = [
        {"file_id": file, "attributes": {"topic": name[:-4], "length": len(TEXTS[name])}} for name, file in ids.items()
    ]
    batch = openai.vector_stores.file_batches.create_and_poll(store, files=files)
    assert (batch.status, batch.file_counts.completed) == ("completed", len(TEXTS))
    return ids


def found(openai: Any, store: str, query: str, **options: Any) -> list[str]:
    return [hit.filename for hit in openai.vector_stores.search(store, query=query, **options).data]


def test_what_files_say_is_found_until_they_are_gone(openai: Any, store: str) -> None:
    ids = add_texts(openai, store)
    assert found(openai, store, "cats purr")[0] == "cats.txt"
    hit = openai.vector_stores.search(store, query="bread dough", max_num_results=1).data[0]
    assert (hit.file_id, hit.attributes["topic"]) == (ids["bread.txt"], "bread")
    assert "flour" in hit.content[0].text
    assert 0 < hit.score <= 1
    stars = {"type": "eq", "key": "topic", "value": "stars"}
    assert set(found(openai, store, "cats purr", filters=stars)) <= {"stars.txt"}
    openai.vector_stores.files.delete(ids["cats.txt"], vector_store_id=store)
    openai.files.delete(ids["bread.txt"])
    assert set(found(openai, store, "cats and bread and stars")) == {"stars.txt"}
    assert [file.id for file in openai.vector_stores.files.list(store)] == [ids["stars.txt"]]


def test_the_content_of_a_file_is_its_text(openai: Any, store: str) -> None:
    file = openai.vector_stores.files.upload_and_poll(vector_store_id=store, file=("a.md", b"# Notes\n\nAll of them."))
    assert (file.status, file.last_error) == ("completed", None)
    assert file.usage_bytes > 0
    parts = openai.vector_stores.files.content(file.id, vector_store_id=store).data
    assert "All of them." in "".join(part.text for part in parts)


def test_a_file_without_text_fails_alone(openai: Any, store: str) -> None:
    batch = openai.vector_stores.file_batches.upload_and_poll(
        store, files=[("a.txt", b"some words"), ("b.bin", bytes(range(256)))]
    )
    assert (batch.status, batch.file_counts.completed, batch.file_counts.failed) == ("completed", 1, 1)
    (failed,) = openai.vector_stores.files.list(store, filter="failed").data
    assert failed.last_error.code in ("unsupported_file", "invalid_file")
    assert openai.vector_stores.retrieve(store).file_counts.failed == 1


def test_what_is_not_there_is_not_found(openai: Any, store: str) -> None:
    with pytest.raises(sdk_errors.BadRequestError, match="not found"):
        openai.vector_stores.files.create(store, file_id="file-none")
    with pytest.raises(sdk_errors.NotFoundError):
        openai.vector_stores.files.retrieve("file-none", vector_store_id=store)
    with pytest.raises(sdk_errors.BadRequestError, match="type"):
        openai.vector_stores.search(store, query="a", filters={"type": "odd"})
    with pytest.raises(sdk_errors.NotFoundError):
        openai.vector_stores.search("vs_none", query="a")
