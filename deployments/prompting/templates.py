"""Prompt templates: YAML files with a version and messages, rendered in Jinja's sandbox.

Invariant: a template reaches its variables and nothing else; what it tries beyond them is a RejectError.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.meta import find_undeclared_variables
from jinja2.nodes import Name, Output, TemplateData
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field

from pipelines.errors import RejectError
from pipelines.payloads import Message

_JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)


class TemplateSource(BaseModel):
    """What a template is made of: its messages, and what a request that uses it takes where it says nothing itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    messages: list[Message] = Field(min_length=1)
    model: str | None = None
    tools: list[dict[str, Any]] = Field(default_factory=list)
    params: dict[str, Any] = Field(default_factory=dict)  # further fields of a request


class _File(TemplateSource):
    """What a template's file holds."""

    version: str


class PromptTemplate:
    """One compiled template."""

    def __init__(self, name: str, source: TemplateSource, version: str = "1") -> None:
        self.name = name
        self.source = source
        self.version = version
        try:
            self._messages = [(message.role, _JINJA.from_string(message.content)) for message in source.messages]
            self.variables = sorted(set().union(*(_names(message.content) for message in source.messages)))
        except TemplateSyntaxError as error:
            raise RejectError(
                f"The template '{name}' is none: {error}", code="invalid_value", param="template"
            ) from error

    def render(self, variables: Mapping[str, str]) -> list[Message]:
        """The messages. Raises RejectError for a missing variable and for a template that breaks out."""
        return [Message(role=role, content=self._fill(template, variables)) for role, template in self._messages]

    def _fill(self, template: Template, variables: Mapping[str, str]) -> str:
        try:
            return template.render(variables)
        except UndefinedError as error:
            raise self._missing(variables, error) from error
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise RejectError(
                f"The template '{self.name}' cannot be rendered: {error}", code="invalid_value", param="template"
            ) from error

    def _missing(self, variables: Mapping[str, str], error: UndefinedError) -> RejectError:
        missing = next((name for name in self.variables if name not in variables), None)
        if missing is None:
            return RejectError(
                f"The template '{self.name}' cannot be rendered: {error}", code="invalid_value", param="template"
            )
        return RejectError(
            f"The template '{self.name}' needs the variable '{missing}'.",
            code="missing_required_parameter",
            param=f"variables.{missing}",
        )


class Templates:
    """All templates of a folder by name, read once."""

    def __init__(self, folder: Path | None) -> None:
        files = sorted(folder.glob("*.yaml")) if folder is not None else []
        self._templates = {path.stem: _load(path) for path in files}

    def names(self) -> list[str]:
        """All of them."""
        return list(self._templates)

    def find(self, name: str) -> PromptTemplate | None:
        """The template of this name."""
        return self._templates.get(name)

    def render(self, name: str, variables: Mapping[str, str]) -> list[Message]:
        """A template's messages. Raises RejectError where there is no such template, and as `PromptTemplate.render`."""
        template = self._templates.get(name)
        if template is None:
            raise RejectError(f"The template '{name}' does not exist.", code="template_not_found", param="template")
        return template.render(variables)


def _load(path: Path) -> PromptTemplate:
    try:
        file = _File.model_validate(yaml.safe_load(path.read_text()))
        return PromptTemplate(path.stem, file, file.version)
    except (yaml.YAMLError, ValueError, RejectError) as error:
        raise ValueError(f"{path} is no template: {error}") from error


NO_TEMPLATES = Templates(None)


def is_plain(source: TemplateSource) -> bool:
    """Whether the messages are texts with variables and nothing else: no loops, no filters, nothing that takes long."""
    nodes = [node for message in source.messages for node in _JINJA.parse(message.content).body]
    return all(isinstance(node, Output) and _of_names(node) for node in nodes)


def _of_names(output: Output) -> bool:
    return all(isinstance(node, (Name, TemplateData)) for node in output.nodes)


def _names(source: str) -> set[str]:
    return find_undeclared_variables(_JINJA.parse(source))
