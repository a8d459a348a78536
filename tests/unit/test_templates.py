from pathlib import Path

import pytest

from configs.settings import prompts_folder
from deployments.prompting.templates import Templates
from pipelines.errors import RejectError


def templates(folder: Path, *contents: str) -> Templates:
    """One template `t` with a user message for each content."""
    messages = "".join(f"  - role: user\n    content: {content!r}\n" for content in contents)
    (folder / "t.yaml").write_text(f'version: "1"\nmessages:\n{messages}')
    return Templates(folder)


def rejection(folder: Path, content: str, **variables: str) -> RejectError:
    with pytest.raises(RejectError) as caught:
        templates(folder, content).render("t", variables)
    return caught.value


def test_variables_are_filled_into_every_message(tmp_path: Path) -> None:
    messages = templates(tmp_path, "Hi {{ name }}", "Bye {{ name }}!").render("t", {"name": "Ada"})
    assert [message.content for message in messages] == ["Hi Ada", "Bye Ada!"]


def test_text_is_taken_as_it_is(tmp_path: Path) -> None:
    (message,) = templates(tmp_path, "{{ x }}").render("t", {"x": "<b>{{ y }}</b>\n"})
    assert message.content == "<b>{{ y }}</b>\n"


def test_an_unknown_template_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(RejectError) as caught:
        templates(tmp_path, "x").render("../t", {})
    assert (caught.value.code, caught.value.param) == ("template_not_found", "template")


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    error = rejection(tmp_path, "{{ a }} {{ b }}", a="1")
    assert (error.code, error.param) == ("missing_required_parameter", "variables.b")


def test_a_variable_that_the_template_does_not_need_may_be_missing(tmp_path: Path) -> None:
    (message,) = templates(tmp_path, "{% if tone is defined %}{{ tone }}{% else %}plain{% endif %}").render("t", {})
    assert message.content == "plain"


@pytest.mark.parametrize(
    "content",
    [
        "{{ x.__class__.__mro__ }}",
        "{{ x['__class__'] }}{{ x.__class__() }}",
        "{{ ''.__class__.__subclasses__() }}",
        "{{ x.format.__globals__ }}",
        "{{ '{0.__class__.__mro__}'.format(x) }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ range(10000000) | list }}",
        "{{ 1 / 0 }}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_a_template_that_reaches_beyond_its_variables_is_rejected(tmp_path: Path, content: str) -> None:
    error = rejection(tmp_path, content, x="x")
    assert (error.code, error.param) == ("invalid_value", "template")


@pytest.mark.parametrize("text", ["version: '1'", "[", "version: '1'\nmessages:\n - {role: user, content: '{{'}"])
def test_a_broken_file_is_named_at_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"broken\.yaml is no template"):
        Templates(tmp_path)


def test_the_shipped_template_renders() -> None:
    messages = Templates(prompts_folder()).render("explain", {"topic": "tides", "audience": "a child"})
    assert messages[-1].content == "Explain tides to a child."
