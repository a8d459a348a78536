"""Prompt templates: YAML files with a version and messages, rendered in Jinja's sandbox.

Invariant: a template reaches its variables and nothing else; what it tries beyond them is a RejectError.
"""

from collections.abc import Mapping
from pathlib import Path

import yaml
from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field

from pipelines.errors import RejectError
from pipelines.payloads import Message

_JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)


class _File(BaseModel):
    """What a template's file holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    messages: list[Message] = Field(min_length=1)


class PromptTemplate:
    """One compiled template."""

    def __init__(self, name: str, file: _File) -> None:
        self.name = name
        self.version = file.version
        self._messages = [(message.role, _JINJA.from_string(message.content)) for message in file.messages]
        self._names = sorted(set().union(*(_names(message.content) for message in file.messages)))

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
        missing = next((name for name in self._names if name not in variables), None)
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

    def __init__(self, folder: Path) -> None:
        self._templates = {path.stem: _load(path) for path in sorted(folder.glob("*.yaml"))}

    def render(self, name: str, variables: Mapping[str, str]) -> list[Message]:
        """A template's messages. Raises RejectError where there is no such template, and as `PromptTemplate.render`."""
        template = self._templates.get(name)
        if template is None:
            raise RejectError(f"The template '{name}' does not exist.", code="template_not_found", param="template")
        return template.render(variables)


def _load(path: Path) -> PromptTemplate:
    try:
        return PromptTemplate(path.stem, _File.model_validate(yaml.safe_load(path.read_text())))
    except (yaml.YAMLError, ValueError, TemplateSyntaxError) as error:
        raise ValueError(f"{path} is no template: {error}") from error


def _names(source: str) -> set[str]:
    return find_undeclared_variables(_JINJA.parse(source))
