"""Which schemas have written to a store. A writer registers its own at start, before it writes anything.

Invariant: a store's registered schema reads everything that was ever written there. An older writer is therefore
welcome and changes nothing; one that would give a field number a second meaning is refused.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from events.v1 import events_pb2, tokens_pb2


class SchemaTable(Protocol):
    """What a store offers for it: a place for one serialised FileDescriptorSet."""

    def load_schemas(self) -> bytes | None:
        """What was saved last; None in a new store."""

    def save_schemas(self, schemas: bytes) -> None:
        """Keep this one from now on."""


class IncompatibleSchemaError(RuntimeError):
    """This version of the code must not write to that store; the message lists why."""


def current_schema() -> bytes:
    """The schema of this version of the code."""
    files = []
    for module in (events_pb2, tokens_pb2):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        files.append(file)
    return FileDescriptorSet(file=files).SerializeToString(deterministic=True)


def register(table: SchemaTable, schema: bytes | None = None) -> None:
    """Enter a writer's schema (default: this code's). Raises IncompatibleSchemaError, and changes nothing then."""
    schema = schema or current_schema()
    registered = table.load_schemas()
    if registered is None:
        table.save_schemas(schema)
        return
    problems = incompatibilities(registered, schema)
    if not problems:
        if schema != registered:
            table.save_schemas(schema)
    elif incompatibilities(
        schema, registered
    ):  # else it is an older version, whose every byte the registered one reads
        raise IncompatibleSchemaError("this version cannot write to the store: " + "; ".join(problems))


def incompatibilities(old: bytes, new: bytes) -> list[str]:
    """Why `new` cannot read what `old` wrote, one sentence each. Both are serialised FileDescriptorSets."""
    after = _messages(new)
    problems: list[str] = []
    for name, message in _messages(old).items():
        if name in after:
            problems += _changes(name, message, after[name])
        else:
            problems.append(f"message {name} was removed")
    return problems


def _messages(schema: bytes) -> dict[str, DescriptorProto]:
    files = FileDescriptorSet.FromString(schema).file
    return {name: message for file in files for name, message in _walk(file.package, file.message_type)}


def _walk(scope: str, messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, DescriptorProto]]:
    for message in messages:
        name = f"{scope}.{message.name}"
        yield name, message
        yield from _walk(name, message.nested_type)


def _changes(name: str, old: DescriptorProto, new: DescriptorProto) -> Iterator[str]:
    """What differs in a message that both have."""
    fields = {field.number: field for field in new.field}
    for field in old.field:
        if field.number in fields:
            if _shape(old, field) != _shape(new, fields[field.number]):
                yield f"field {field.number} of {name} was {field.name} and means something else now"
        elif not _reserves(new, field.number):
            yield f"field {field.number} ({field.name}) of {name} was removed, and its number is not reserved"
    for number in fields:
        if _reserves(old, number):
            yield f"field {number} of {name} takes a reserved number"


def _shape(message: DescriptorProto, field: FieldDescriptorProto) -> tuple[object, ...]:
    """All that gives a field its meaning."""
    group = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
    return field.name, field.type, field.type_name, field.label, group


def _reserves(message: DescriptorProto, number: int) -> bool:
    return any(span.start <= number < span.end for span in message.reserved_range)
