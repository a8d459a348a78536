"""What the commands of one transaction mention: the jobs that they bring, and all that they name."""

from collections.abc import Iterator, Sequence

from pipelines.batch_edits import CancelBatch, CreateBatch, validation_id
from pipelines.commands import Cancel, Command, Delete, Finish, Redrive, Submit
from pipelines.edits import Edit


def submits(commands: Sequence[Command | Edit]) -> Iterator[Submit]:
    """The jobs that commands bring."""
    for command in commands:
        match command:
            case Submit():
                yield command
            case CreateBatch():
                yield command.job


def named(commands: Sequence[Command | Edit]) -> Iterator[str]:
    """The jobs that commands name."""
    for command in commands:
        match command:
            case CreateBatch() | CancelBatch():
                yield validation_id(command.batch)
            case Submit():
                yield command.job_id
                if command.parent:
                    yield command.parent
            case Finish() | Cancel() | Delete() | Redrive():
                yield command.job_id
