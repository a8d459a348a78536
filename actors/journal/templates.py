"""Templates of prompts in one batch. A version never changes, and a repeat makes no second one."""

from actors.journal.template_table import TemplateTable
from pipelines.commands import Answer, Verdict
from pipelines.edits import (
    AddVersion,
    CreateTemplate,
    DeleteTemplate,
    SetDefault,
    Template,
    TemplateEdit,
    TemplateVersion,
)


def edit_template(table: TemplateTable, command: TemplateEdit, now: float) -> Answer:
    """Do what a client asks for."""
    row = table.load(command.template)
    if isinstance(command, CreateTemplate):
        if row is None:
            table.put(Template(command.template, command.tenant, command.name, 1, 1, now))
            table.add(TemplateVersion(command.template, 1, command.template, command.body, now))
        return Answer(Verdict.DONE, detail="1")
    if row is None or row.tenant != command.tenant:
        return Answer(Verdict.UNKNOWN)
    match command:
        case AddVersion():
            return Answer(Verdict.DONE, detail=str(_version(table, row, command, now)))
        case SetDefault():
            if not 1 <= command.version <= row.latest:
                return Answer(Verdict.UNKNOWN)
            table.put(row._replace(default=command.version))
        case DeleteTemplate():
            table.remove(row.id)
    return Answer(Verdict.DONE)


def _version(table: TemplateTable, row: Template, command: AddVersion, now: float) -> int:
    made = {version.id: version.number for version in table.versions(row.id)}
    if command.version_id in made:
        return made[command.version_id]
    number = row.latest + 1
    table.put(row._replace(latest=number))
    table.add(TemplateVersion(row.id, number, command.version_id, command.body, now))
    return number
