"""What a feed makes of news that repeats, is lost, or comes in another order, and what it keeps for how long."""

from actors.token_log.protocol import Logged
from deployments.history.stream_events import Scribe, StreamFrame
from deployments.ingestion.feed import Entry, Feed, entries_of
from deployments.ingestion.windows import Windows
from events.v1.tokens_pb2 import Chunk, Seal, Terminal
from pipelines.jobs import Status
from pipelines.operations import Kind, Piece
from pipelines.payloads import Request
from tests.factories import job_id
from tests.token_logs import TextComposer

WORDS = ["one", " two", " three", " four"]  # numbers 5 to 8, the first with the opening from 2 on


def chunks() -> list[bytes]:
    composer = TextComposer(job_id())
    written = [Chunk(operations=[*composer.begin(), *composer.delta(word)]) for word in WORDS]
    return [chunk.SerializeToString() for chunk in written]


def seal() -> bytes:
    composer = TextComposer(job_id())
    composer.begin()
    for word in WORDS:
        composer.delta(word)
    end = composer.next_sequence - 1
    closing = composer.close(Status.CANCELLED)
    terminal = Terminal(sequence=composer.next_sequence, status="cancelled")
    return Seal(end=end, closing=closing, terminal=terminal).SerializeToString()


def new_feed(windows: Windows | None = None) -> Feed:
    return Feed(job_id(), windows or Windows())


def events(feed: Feed, entries: list[Entry] | None) -> list[StreamFrame]:
    assert entries is not None
    scribe = Scribe(job_id(), Request(model="scripted", messages=[]), feed.opened)
    return [frame for entry in entries for frame in feed.events_of(entry, scribe)]


def words(feed: Feed, entries: list[Entry] | None) -> list[str]:
    assert entries is not None
    return [frame["text"] for entry in entries for frame in feed.tokens_of(entry)]


def test_repeated_chunks_are_taken_once() -> None:
    feed = new_feed()
    for news in (chunks()[:2], chunks()[:3], chunks()):
        assert feed.take_log(Logged(news, None))
    assert words(feed, feed.after(1)) == WORDS
    assert feed.chunks == 4


def test_chunks_after_a_hole_are_refused_until_it_is_filled() -> None:
    feed = new_feed()
    assert feed.take_log(Logged(chunks()[:1], None))
    assert not feed.take_log(Logged(chunks()[2:], seal()))
    assert feed.take_log(Logged(chunks()[1:], seal()))
    assert words(feed, feed.after(1)) == WORDS
    assert (feed.sequence, feed.told(11, 0)) == (11, False)
    feed.ended = True
    assert feed.told(11, 0)


def test_a_seal_beyond_what_was_taken_is_refused() -> None:
    feed = new_feed()
    assert not feed.take_log(Logged([], seal()))
    assert feed.seal is None


def test_nothing_past_the_seal_is_taken() -> None:
    early = Seal(end=6, terminal=Terminal(sequence=7, status="cancelled")).SerializeToString()
    feed = new_feed()
    assert feed.take_log(Logged(chunks(), early))
    assert words(feed, feed.after(1)) == WORDS[:2]


def test_events_of_the_journal_that_are_missing_are_asked_for() -> None:
    feed = new_feed()
    assert not feed.take_events(3, [b""])
    assert feed.take_events(2, [b"", b""])
    assert feed.take_events(2, [b""])
    assert len(feed.facts) == 2


def test_a_cursor_finds_what_lies_above_it() -> None:
    feed = new_feed()
    feed.take_log(Logged(chunks(), seal()))
    assert words(feed, feed.after(5)) == WORDS[1:]
    assert feed.after(11) == feed.after(1000) == []


def test_every_news_wakes_who_waits() -> None:
    feed = new_feed()
    before = feed.news
    feed.take_log(Logged(chunks()[:1], None))
    assert before.is_set()
    assert not feed.news.is_set()


def test_all_readers_share_what_was_rendered() -> None:
    feed = new_feed()
    feed.take_log(Logged(chunks(), seal()))
    first, second = (events(feed, feed.after(1)) for _ in range(2))
    assert all(one is other for one, other in zip(first, second, strict=True))


def test_a_page_of_the_log_gives_the_same_bytes_as_the_feed() -> None:
    feed = new_feed()
    feed.take_log(Logged(chunks(), seal()))
    kept = events(feed, feed.after(1))
    for cursor in range(1, 12):
        told = events(feed, entries_of(Logged(chunks(), seal()), cursor))
        assert [frame for frame in told if frame.sequence > cursor] == kept[cursor - 1 :]


def test_a_full_feed_forgets_its_first_entries() -> None:
    feed = new_feed(Windows(feed_bytes=sum(map(len, chunks()[2:]))))
    feed.take_log(Logged(chunks(), None))
    assert feed.after(1) is feed.after(5) is None
    assert words(feed, feed.after(6)) == WORDS[2:]


def test_what_is_rendered_counts() -> None:
    windows = Windows(feed_bytes=1000)
    feed = new_feed(windows)
    feed.take_log(Logged(chunks(), None))
    assert len(feed.after(1) or []) == 4
    events(feed, feed.after(1))
    assert feed.after(1) is None
    assert feed.size == windows.size <= 1000


def test_together_feeds_keep_no_more_than_their_process_allows() -> None:
    room = sum(map(len, chunks()))
    windows = Windows(all_bytes=room + len(chunks()[3]))
    old, new = new_feed(windows), new_feed(windows)
    old.take_log(Logged(chunks(), None))
    new.take_log(Logged(chunks(), None))
    assert [len(feed.after(7) or []) for feed in (old, new)] == [1, 1]
    assert (old.after(6), len(new.after(1) or [])) == (None, 4)
    windows.leave(new)
    assert windows.size == old.size


def test_only_the_text_of_messages_is_a_token() -> None:
    composer = TextComposer(job_id())
    operations = composer.say(Piece(kind=Kind.REASONING, text="Hm.")) + composer.say(Piece(text="Yes."))
    start = [operation for operation in TextComposer(job_id()).begin() if operation.HasField("in_progress")]
    for operation in operations:
        operation.sequence += 1
    feed = new_feed()
    assert feed.take_log(Logged([Chunk(operations=[*start, *operations]).SerializeToString()], None))
    assert words(feed, feed.after(1)) == ["Yes."]
