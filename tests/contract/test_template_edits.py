"""Templates of prompts and their versions, in every journal on every store."""

from actors.journal.journal import Journal
from pipelines.commands import Verdict
from pipelines.edits import AddVersion, CreateTemplate, DeleteTemplate, SetDefault, Template
from tests.contract.journal_stores import with_shards
from tests.factories import ManualClock

pytestmark = with_shards

NAMES = {"template": "pmpt_1", "tenant": "default"}
CREATE = CreateTemplate(**NAMES, name="greeting", body='"one"')
SECOND = AddVersion(**NAMES, version_id="v2", body='"two"')


async def test_versions_are_numbered_and_a_repeat_makes_none(journal: Journal, clock: ManualClock) -> None:
    answers = [*await journal.edit([CREATE, SECOND]), *await journal.edit([CREATE, SECOND])]
    assert [answer.detail for answer in answers] == ["1", "2", "1", "2"]
    found = await journal.template("default", "pmpt_1")
    assert found is not None
    template, versions = found
    assert template == Template("pmpt_1", "default", "greeting", 1, 2, clock.time)
    assert [(version.number, version.body) for version in versions] == [(1, '"one"'), (2, '"two"')]


async def test_a_version_that_is_there_may_be_the_default(journal: Journal) -> None:
    await journal.edit([CREATE, SECOND])
    answers = await journal.edit([SetDefault(**NAMES, version=number) for number in (0, 3, 2)])
    assert [answer.verdict for answer in answers] == [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.DONE]
    found = await journal.template("default", "pmpt_1")
    assert found is not None
    assert found[0].default == 2


async def test_lists_page_from_the_newest(journal: Journal) -> None:
    numbers = range(1, 4)
    await journal.edit([CreateTemplate(template=f"pmpt_{n}", tenant="default", name="n", body="{}") for n in numbers])
    first = await journal.templates("default", "", 2)
    second = await journal.templates("default", first[-1].id, 2)
    assert [template.id for template in first + second] == ["pmpt_3", "pmpt_2", "pmpt_1"]
    assert await journal.templates("another", "", 2) == []


async def test_another_tenants_template_looks_unknown_and_a_deleted_one_is_gone(journal: Journal) -> None:
    await journal.edit([CREATE])
    stranger = DeleteTemplate(template="pmpt_1", tenant="another")
    own = DeleteTemplate(**NAMES)
    assert await journal.template("another", "pmpt_1") is None
    answers = await journal.edit([stranger, own, own, SECOND])
    expected = [Verdict.UNKNOWN, Verdict.DONE, Verdict.UNKNOWN, Verdict.UNKNOWN]
    assert [answer.verdict for answer in answers] == expected
    assert await journal.template("default", "pmpt_1") is None
