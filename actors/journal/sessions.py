"""The ingestion sessions to which jobs are attached: who has been heard of, and which are over. In memory only.

A session is kept by its calls and runs on the monotonic clock. One that ends, is found dead or falls silent is over
after a moment, in which its clients may come back elsewhere. After a restart of the journal every session with open
jobs gets a fresh full term: an outage of the journal is not a crash of ingestion.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from actors.journal.protocol import Session
from pipelines.ports import Clock

SILENCE_S = 15.0  # a session that has not called for so long has ended
GRACE_S = 5.0  # from its end until what is attached to it is cancelled


@dataclass(slots=True)
class _Seat:
    session: Session | None  # None: has jobs, and has not called yet
    seen_at: float
    ended_at: float | None = None

    def ends_at(self) -> float:
        return self.seen_at + SILENCE_S if self.ended_at is None else self.ended_at


class Sessions:
    """The sessions that may have jobs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seats: dict[str, _Seat] = {}

    def see(self, session: Session) -> None:
        """A session lives. One that was ended stays so: this is a late call."""
        seat = self._seats.get(session.id)
        if seat is None or seat.ended_at is None:
            self._seats[session.id] = _Seat(session, self._clock.monotonic())

    def expect(self, session_ids: Iterable[str]) -> None:
        """These have jobs; whoever of them is not known gets a full term to call."""
        for session_id in session_ids:
            self._seats.setdefault(session_id, _Seat(None, self._clock.monotonic()))

    def end(self, session_id: str) -> None:
        """A session has ended, or its process is dead."""
        seat = self._seats.get(session_id)
        if seat is not None and seat.ended_at is None:
            seat.ended_at = self._clock.monotonic()

    def living(self) -> list[Session]:
        """Those that have called and have not ended."""
        return [seat.session for seat in self._seats.values() if seat.session is not None and seat.ended_at is None]

    def over(self) -> list[str]:
        """Those whose jobs are to be cancelled now."""
        limit = self._clock.monotonic() - GRACE_S
        return [session_id for session_id, seat in self._seats.items() if seat.ends_at() <= limit]

    def forget(self, session_id: str) -> None:
        """Nothing is attached to it any more. A job that comes later brings it back."""
        self._seats.pop(session_id, None)
