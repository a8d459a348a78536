"""The lines of a batch's file: how they are found in it, and what they come to together."""

from collections.abc import AsyncGenerator, Sequence

import pytest

from deployments.batching.lines import MOST_BYTES, MOST_LINES, Problem, Seen, lines_of
from deployments.batching.survey import MOST_PROBLEMS, Survey


async def found(*pieces: bytes) -> list[tuple[int, bytes]]:
    async def content() -> AsyncGenerator[bytes]:
        for piece in pieces:
            yield piece

    return [line async for line in lines_of(content())]


@pytest.mark.parametrize(
    "pieces",
    [[b"one\n\n  \ntwo\r\nthree"], [b"o", b"ne", b"\n", b"\n  \ntw", b"o\r\nthree"], [b"one\n\n  \ntwo\r\nthree\n"]],
)
async def test_lines_are_numbered_as_in_the_file_however_it_is_cut(pieces: Sequence[bytes]) -> None:
    assert await found(*pieces) == [(1, b"one"), (4, b"two\r"), (5, b"three")]


async def test_of_a_line_that_is_too_long_there_is_enough_to_see_that() -> None:
    piece = b"x" * (MOST_BYTES // 2)
    lines = await found(b"a\n", piece, piece, piece, b"\nb\n", *[piece] * 3)
    assert [(number, len(line) > MOST_BYTES) for number, line in lines] == [
        (1, False),
        (2, True),
        (3, False),
        (4, True),
    ]
    assert max(len(line) for _, line in lines) == MOST_BYTES + 1


def test_a_survey_knows_the_one_model_of_all_lines() -> None:
    survey = Survey()
    survey.add(1, Seen("a", "m"))
    assert (survey.model, survey.lines, survey.problems()) == ("m", 1, [])
    survey.add(2, Seen("b", "n"))
    assert (survey.model, survey.lines) == ("", 2)


def test_a_survey_has_enough_of_too_many_lines() -> None:
    survey = Survey()
    for number in range(1, MOST_LINES + 1):
        survey.add(number, Seen(str(number), "m"))
    assert (survey.enough, survey.problems()) == (False, [])
    survey.add(MOST_LINES + 1, Seen("more", "m"))
    assert survey.enough
    assert [problem.code for problem in survey.problems()] == ["too_many_lines"]


def test_a_survey_has_enough_of_too_many_problems() -> None:
    survey = Survey()
    for number in range(MOST_PROBLEMS):
        assert not survey.enough
        survey.add(number, Problem("invalid_json_line", "no"))
    assert survey.enough
    assert len(survey.problems()) == MOST_PROBLEMS
