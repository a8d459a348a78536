"""Which turns are left out where a conversation is too long: the oldest ones, as few as will do."""

from bisect import bisect_left
from collections.abc import Callable, Sequence

from pipelines.payloads import Message


def shortened(messages: Sequence[Message], *, kept: int, fits: Callable[[list[Message]], bool]) -> list[Message]:
    """The conversation without its oldest turns; the first `kept` messages and the last turn stay.

    A function's output never stays without its call. What is returned need not fit, where nothing does.
    """
    head, rest = list(messages[:kept]), messages[kept:]
    last = max((i for i, message in enumerate(rest) if message.role != "tool"), default=0)

    def without(count: int) -> list[Message]:
        return head + _answered(rest[count:])

    return without(bisect_left(range(last), True, key=lambda count: fits(without(count))))


def _answered(messages: Sequence[Message]) -> list[Message]:
    calls = {call.id for message in messages for call in message.tool_calls or []}
    return [message for message in messages if message.role != "tool" or message.tool_call_id in calls]
