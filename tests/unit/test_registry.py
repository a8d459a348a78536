"""Planted changes of a schema, built from descriptors."""

from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorSet

from actors.journal.sqlite import SqliteStore
from actors.shards import journal_file, open_journal, open_token_log, token_log_file
from actors.system import real_ports
from actors.token_log.sqlite import SqliteTokenStore
from events.registry import IncompatibleSchemaError, current_schema, incompatibilities, register

Change = Callable[[DescriptorProto], object]


class Table:
    """A store's table in memory."""

    def __init__(self, schema: bytes | None = None) -> None:
        self.schema = schema

    def load_schemas(self) -> bytes | None:
        return self.schema

    def save_schemas(self, schemas: bytes) -> None:
        self.schema = schemas


def changed(change: Change, message: str = "PromptRendered") -> bytes:
    files = FileDescriptorSet.FromString(current_schema())
    change(next(m for m in files.file[0].message_type if m.name == message))
    return files.SerializeToString()


def add_field(message: DescriptorProto, number: int = 90, name: str = "added") -> None:
    message.field.add(
        name=name,
        number=number,
        type=FieldDescriptorProto.TYPE_STRING,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )


def remove_worker(message: DescriptorProto) -> None:
    message.field.remove(next(f for f in message.field if f.name == "worker"))


def reserve_worker(message: DescriptorProto) -> None:
    remove_worker(message)
    message.reserved_range.add(start=3, end=4)


def reuse_worker(message: DescriptorProto) -> None:
    remove_worker(message)
    add_field(message, number=3, name="reason")


def set_first(**values: int | str) -> Change:
    def change(message: DescriptorProto) -> None:
        for key, value in values.items():
            setattr(message.field[1], key, value)

    return change


BREAKING: dict[str, Change] = {
    "another type": set_first(type=FieldDescriptorProto.TYPE_STRING),
    "another name": set_first(name="words"),
    "another label": set_first(label=FieldDescriptorProto.LABEL_REPEATED),
    "a reused number": reuse_worker,
}


@pytest.mark.parametrize("change", BREAKING.values(), ids=BREAKING)
def test_a_writer_that_gives_a_field_another_meaning_is_refused_before_it_writes(change: Change) -> None:
    table = Table(current_schema())
    with pytest.raises(IncompatibleSchemaError, match=r"events\.v1\.PromptRendered"):
        register(table, changed(change))
    assert table.schema == current_schema()


def test_the_first_writer_registers_its_schema_and_the_next_one_finds_it() -> None:
    table = Table()
    register(table)
    register(table)
    assert table.schema == current_schema()


def test_a_writer_with_a_further_field_takes_over() -> None:
    table, newer = Table(current_schema()), changed(add_field)
    register(table, newer)
    assert table.schema == newer


def test_an_older_writer_may_come_back_and_the_newer_schema_stays() -> None:
    newer = changed(add_field)
    table = Table(newer)
    register(table)
    assert table.schema == newer


def test_a_field_that_an_older_writer_does_not_know_keeps_its_number() -> None:
    table = Table(changed(add_field))
    register(table)
    with pytest.raises(IncompatibleSchemaError, match="field 90"):
        register(table, changed(lambda message: add_field(message, name="other")))


def test_removing_a_field_needs_a_reservation_of_its_number() -> None:
    assert incompatibilities(current_schema(), changed(reserve_worker)) == []
    (problem,) = incompatibilities(current_schema(), changed(remove_worker))
    assert "not reserved" in problem


def test_a_reserved_number_stays_reserved() -> None:
    (problem,) = incompatibilities(changed(reserve_worker), current_schema())
    assert "takes a reserved number" in problem


def test_a_removed_message_is_noticed() -> None:
    files = FileDescriptorSet.FromString(current_schema())
    del files.file[0].message_type[0]
    assert "message events.v1.Reference was removed" in incompatibilities(current_schema(), files.SerializeToString())


def test_a_field_that_moves_into_a_oneof_has_another_meaning() -> None:
    def move(message: DescriptorProto) -> None:
        message.field[0].oneof_index = 0

    assert len(incompatibilities(current_schema(), changed(move, "Envelope"))) == 1


def test_a_journal_does_not_open_a_store_that_a_contradicting_version_has_written(tmp_path: Path) -> None:
    store = SqliteStore(journal_file(tmp_path), new_uuid="store_1")
    store.save_schemas(changed(reuse_worker))
    store.close()
    with pytest.raises(IncompatibleSchemaError, match="field 3"):
        open_journal(tmp_path, ports=real_ports())


def test_a_contradicting_writer_does_not_open_the_token_log(tmp_path: Path) -> None:
    open_token_log(tmp_path, ports=real_ports()).close()
    store = SqliteTokenStore(token_log_file(tmp_path), new_uuid="unused")
    assert store.load_schemas() == current_schema()
    store.save_schemas(changed(reuse_worker))
    store.close()
    with pytest.raises(IncompatibleSchemaError, match="field 3"):
        open_token_log(tmp_path, ports=real_ports())
