"""The judge of `make fault` sees what it must see: a matrix that cannot fail would prove nothing."""

from dataclasses import replace

import pytest

from heliograph.frames import EndFrame, Frame, TokenFrame
from pipelines.jobs import Status
from tests.fault.matrix.cells import Group, all_cells, chosen
from tests.fault.matrix.judge import Finding, Story, judge, summary
from tests.fault.matrix.load import text_of

EVENTS = [("JobSubmitted", 1.0), ("PromptRendered", 2.0), ("InferenceCompleted", 5.0), ("ResultStored", 5.0)]
GOOD = Story(status="completed", events=EVENTS, text="amber arc", shown="amber arc")
CLAIMED = {"b": "w1"}
CELLS = {cell.name: cell for cell in all_cells()}


def verdict(story: Story, *, extra: int = 0, cell: str = "journal.commit.before") -> Finding:
    return judge(CELLS[cell], {"a": GOOD, "b": story}, claimed=CLAIMED, died_at=2.5, extra=extra)


def test_jobs_that_were_done_once_are_no_finding() -> None:
    finding = verdict(GOOD)
    assert finding.clean
    assert finding.recovery_s == [2.5]


@pytest.mark.parametrize(
    ("story", "kind"),
    [
        (replace(GOOD, status=None, events=[]), "lost"),
        (replace(GOOD, status="failed", events=[*EVENTS[:2], ("JobFailed", 3.0)]), "lost"),
        (replace(GOOD, status="completed", events=EVENTS[:2]), "lost"),
        (replace(GOOD, status="in_progress", events=EVENTS[:2]), "stuck"),
        (replace(GOOD, events=[*EVENTS, ("ResultStored", 6.0)]), "duplicated"),
        (replace(GOOD, events=[*EVENTS, ("JobCancelled", 6.0)]), "duplicated"),
        (replace(GOOD, events=[EVENTS[0], EVENTS[1], *EVENTS[1:]]), "duplicated"),
        (replace(GOOD, shown="amber"), "torn"),
        (replace(GOOD, shown=None), "torn"),
    ],
)
def test_every_fault_is_counted_as_what_it_is(story: Story, kind: str) -> None:
    finding = verdict(story)
    counts = {name: getattr(finding, name) for name in ("lost", "duplicated", "stuck", "torn")}
    assert counts == {**dict.fromkeys(counts, 0), kind: 1}
    assert not finding.clean
    assert summary([finding])[kind] == 1


def test_a_job_that_nobody_asked_for_was_decided_twice() -> None:
    assert verdict(GOOD, extra=1).duplicated == 1


def test_nobody_may_be_blamed_for_the_death_of_a_node() -> None:
    assert verdict(replace(GOOD, dead={"w1": "worker_crashed"}), cell="node.1").blamed == 1
    assert verdict(replace(GOOD, dead={"w1": "worker_lost"}), cell="node.1").clean
    assert verdict(replace(GOOD, dead={"w1": "worker_crashed"}), cell="inference.finish.before").clean


def test_where_one_worker_of_two_dies_only_its_jobs_need_to_recover() -> None:
    stories = {
        "a": replace(GOOD, events=[*EVENTS[:2], ("JobRetried", 3.0), *EVENTS[2:]], dead={"w1": "worker_crashed"}),
        "b": GOOD,
    }
    claimed = {"a": "w1", "b": "w2"}
    finding = judge(CELLS["engine.1"], stories, claimed=claimed, died_at=2.5, extra=0)
    assert (finding.recovery_s, finding.next_event_s) == ([0.5], 2.5)
    finding = judge(CELLS["journal.commit.after"], stories, claimed=claimed, died_at=2.5, extra=0)
    assert finding.recovery_s == [0.5, 2.5]


def test_a_recovery_counts_for_its_own_group() -> None:
    figures = summary([verdict(GOOD), verdict(GOOD, cell="haproxy.1")])
    assert figures["recovery_actor_max_s"] == 2.5
    assert figures["recovery_max_s"] == figures["recovery_node_max_s"] == 0.0


def test_the_smoke_is_our_own_processes_before_and_after_their_main_commit() -> None:
    services = {"ingestion", "prompting", "inference", "journal", "token_log", "dispatcher"}
    cells = chosen("smoke")
    assert {cell.name.partition(".")[0] for cell in cells} == services
    assert {cell.name.rpartition(".")[2] for cell in cells} == {"before", "after"}
    assert len(cells) == 12


def test_every_death_from_outside_has_three_moments() -> None:
    names = {cell.name for cell in all_cells()}
    for death in ("haproxy", "queue", "engine", "controller", "postgres", "node", "everything"):
        assert {f"{death}.1", f"{death}.2", f"{death}.3"} < names
    assert {cell.group for cell in all_cells()} == set(Group)


def test_cells_are_chosen_by_name_and_a_mistyped_name_is_told() -> None:
    assert [cell.name for cell in chosen("node.1, journal.*")] == [
        "journal.commit.before", "journal.commit.after", "node.1",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="jurnal"):
        chosen("jurnal.*")


def test_a_stream_is_its_text_unless_it_is_torn() -> None:
    end = EndFrame(sequence_number=4, status=Status.COMPLETED, fault=None)
    tokens: list[Frame] = [TokenFrame(sequence_number=2, text="amber"), TokenFrame(sequence_number=3, text=" arc")]
    assert text_of([*tokens, end]) == "amber arc"
    assert text_of(tokens) is None
    assert text_of([tokens[1], tokens[0], end]) is None
    assert text_of([*tokens, end, end]) is None
