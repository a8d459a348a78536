"""Templates of prompts as clients see them: a name, and versions that never change. Those of files are built in.

Invariants: another tenant's template looks like one that does not exist; a client's template is text with variables,
so that filling it in takes no time; what a template is made of is checked before it is kept.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

from pydantic import ValidationError

from actors.journal.protocol import JournalApi
from deployments.history.views import page
from deployments.prompting.templates import PromptTemplate, Templates, TemplateSource, is_plain
from pipelines.commands import Answer, Verdict
from pipelines.edits import AddVersion, CreateTemplate, DeleteTemplate, Edit, SetDefault, Template, TemplateVersion
from pipelines.errors import RejectError
from pipelines.ports import Ports

_NUMBER = re.compile("[1-9][0-9]{0,8}")  # of a version, in the one way to write it


class UnknownTemplateError(LookupError):
    """There is no such template, or it has no such version, or it is another tenant's."""


class PromptsApi(Protocol):
    """What ingestion asks of templates. Raises UnknownTemplateError, and RejectError for what is no template.

    A template is given as a text, as a list of messages, or as `{messages, model?, tools?, params?}`.
    """

    async def prompt_create(self, tenant: str, name: str, template: Any) -> dict[str, Any]:
        """A new template, whose version is 1."""

    async def prompt_add_version(self, tenant: str, prompt_id: str, template: Any) -> dict[str, Any]:
        """A further version, which is not the default."""

    async def prompt_set_default(self, tenant: str, prompt_id: str, version: str) -> dict[str, Any]:
        """The version that serves who names none."""

    async def prompt(self, tenant: str, prompt_id: str, version: str | None = None) -> dict[str, Any]:
        """A version; the default one where none is named."""

    async def prompts(self, tenant: str, after: str | None, limit: int) -> dict[str, Any]:
        """A page of the default versions, newest first, the built-in ones last. Raises LookupError for the cursor."""

    async def prompt_delete(self, tenant: str, prompt_id: str) -> dict[str, Any]:
        """Forget a template with all versions."""

    async def prompt_render(
        self, tenant: str, prompt_id: str, version: str | None, variables: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What a request takes of it: `id`, `version`, `messages`, `model`, `tools`, `params`.

        Values are texts or parts `input_text`. Raises RejectError for a missing variable too.
        """


class Prompts:
    """See `PromptsApi`."""

    def __init__(self, templates: Templates, *, journal: JournalApi, ports: Ports) -> None:
        self._built_in = templates
        self._journal = journal
        self._ports = ports

    async def prompt_create(self, tenant: str, name: str, template: Any) -> dict[str, Any]:
        """A new template."""
        prompt_id = self._ports.ids.new("pmpt", self._journal.home(tenant))
        await self._edit_prompt(
            CreateTemplate(template=prompt_id, tenant=tenant, name=name, body=_checked(name, template))
        )
        return await self.prompt(tenant, prompt_id)

    async def prompt_add_version(self, tenant: str, prompt_id: str, template: Any) -> dict[str, Any]:
        """A further version."""
        body, version_id = _checked(prompt_id, template), self._ports.ids.new("version", self._journal.home(tenant))
        answer = await self._edit_prompt(
            AddVersion(template=prompt_id, tenant=tenant, version_id=version_id, body=body)
        )
        return await self.prompt(tenant, prompt_id, answer.detail)

    async def prompt_set_default(self, tenant: str, prompt_id: str, version: str) -> dict[str, Any]:
        """The version that serves who names none."""
        number = int(version) if _NUMBER.fullmatch(version) else 0
        await self._edit_prompt(SetDefault(template=prompt_id, tenant=tenant, version=number))
        return await self.prompt(tenant, prompt_id)

    async def prompt(self, tenant: str, prompt_id: str, version: str | None = None) -> dict[str, Any]:
        """A version."""
        if (built_in := self._built_in.find(prompt_id)) is not None:
            return _built_in_view(built_in, version)
        row, found = await self._version(tenant, prompt_id, version)
        return _view(row, found)

    async def prompts(self, tenant: str, after: str | None, limit: int) -> dict[str, Any]:
        """A page of the default versions."""
        names, views = self._built_in.names(), []
        if after in names:
            names = names[names.index(after) + 1 :]
        else:
            if after is not None and await self._journal.template(tenant, after) is None:
                raise LookupError(after)
            rows = await self._journal.templates(tenant, after or "", limit + 1)
            views = [await self.prompt(tenant, row.id) for row in rows]
        views += [await self.prompt(tenant, name) for name in names[: limit + 1]]
        return page(views, limit)

    async def prompt_delete(self, tenant: str, prompt_id: str) -> dict[str, Any]:
        """Forget a template."""
        await self._edit_prompt(DeleteTemplate(template=prompt_id, tenant=tenant))
        return {"id": prompt_id, "object": "prompt.deleted", "deleted": True}

    async def prompt_render(
        self, tenant: str, prompt_id: str, version: str | None, variables: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What a request takes of it."""
        view = await self.prompt(tenant, prompt_id, version)
        template = self._built_in.find(prompt_id)
        if template is None:
            row, found = await self._version(tenant, prompt_id, view["version"])
            template = _compiled(row.name, found.body)
        values = {name: _text(name, value) for name, value in variables.items()}
        source = template.source
        return {
            "id": prompt_id,
            "version": view["version"],
            "messages": [message.model_dump(exclude_defaults=True) for message in template.render(values)],
            "model": source.model,
            "tools": source.tools,
            "params": source.params,
        }

    async def _version(self, tenant: str, prompt_id: str, version: str | None) -> tuple[Template, TemplateVersion]:
        found = await self._journal.template(tenant, prompt_id)
        if found is None:
            raise UnknownTemplateError(prompt_id)
        row, versions = found
        wanted = str(row.default) if version is None else version
        for each in versions:
            if str(each.number) == wanted:
                return row, each
        raise UnknownTemplateError(prompt_id, version)

    async def _edit_prompt(self, edit: Edit) -> Answer:
        prompt_id = getattr(edit, "template", "")
        if self._built_in.find(prompt_id) is not None:
            raise RejectError(f"The template '{prompt_id}' is built in.", code="invalid_value", param="id")
        (answer,) = await self._journal.edit([edit])
        if answer.verdict is Verdict.UNKNOWN:
            raise UnknownTemplateError(prompt_id)
        return answer


@lru_cache(maxsize=256)
def _compiled(name: str, body: str) -> PromptTemplate:
    return PromptTemplate(name, TemplateSource.model_validate_json(body))


def _checked(name: str, given: Any) -> str:
    """A template as it is kept, in JSON."""
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    try:
        source = TemplateSource.model_validate({"messages": given} if isinstance(given, list) else given)
    except ValidationError as error:
        first = error.errors()[0]
        raise RejectError(f"{first['msg']} at {first['loc']}", code="invalid_value", param="template") from error
    PromptTemplate(name, source)
    if not is_plain(source):
        message = "A template is text with variables such as {{name}}, and nothing else in braces."
        raise RejectError(message, code="invalid_value", param="template")
    return source.model_dump_json(exclude_defaults=True)


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and value.get("type") == "input_text" and isinstance(value.get("text"), str):
        return str(value["text"])
    message = f"The variable '{name}' must be a string or an input_text part."
    raise RejectError(message, code="invalid_type", param=f"prompt.variables.{name}")


def _view(row: Template, version: TemplateVersion) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "prompt",
        "name": row.name,
        "version": str(version.number),
        "is_default": version.number == row.default,
        **_content(_compiled(row.name, version.body)),
        "created_at": int(version.created_at),
    }


def _built_in_view(template: PromptTemplate, version: str | None) -> dict[str, Any]:
    if version not in (None, template.version):
        raise UnknownTemplateError(template.name, version)
    return {
        "id": template.name,
        "object": "prompt",
        "name": template.name,
        "version": template.version,
        "is_default": True,
        **_content(template),
        "created_at": 0,
    }


def _content(template: PromptTemplate) -> dict[str, Any]:
    shown = template.source.model_dump(include=set(TemplateSource.model_fields), exclude_defaults=True)
    return {"template": shown, "variables": template.variables}
