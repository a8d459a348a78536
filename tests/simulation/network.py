"""The simulated network: calls between processes that are late, lost, answered twice, or met by a dead end.

A call that is lost, before or after it was carried out, ends as it does with Ray: its caller is told that the actor
is unavailable. Then the real `RemoteActor` and `RemoteTopic` do what they do.
"""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Any

from ray.exceptions import ActorDiedError, ActorUnavailableError

from actors.journal.protocol import JournalApi
from actors.naming import TOPICS, journal_name, token_log_name
from actors.pickled import unpacked
from actors.remote_shards import CLAIM_PATIENCE_S
from actors.remotes import PATIENCE_S, RemoteActor, RemoteJournal, RemoteTokenLog
from actors.sharded import ShardedJournal, journal_of, token_log_of
from actors.stores import StaleEpochError
from actors.token_log.protocol import TokenLogApi
from actors.topics.remote import RemoteTopic
from tests.simulation.process import Process
from tests.simulation.services import Directory
from tests.simulation.trace import Trace

NOTICE_S = 0.4  # until a caller hears that its call met nobody, at the most
LATE_S = 6.0  # a second copy of a call, or word of a lost one, may come so late


@dataclass(slots=True)
class Weather:
    """How bad the network is. All zero: calls only take their time."""

    loss: float = 0.0
    echo: float = 0.0  # calls that are carried out twice
    lull: float = 0.0  # calls that take far longer
    ticket_loss: float = 0.0
    ticket_echo: float = 0.0


class Network:
    """Carries calls."""

    def __init__(self, random: Random, trace: Trace, directory: Directory) -> None:
        self.weather = Weather()
        self.random = random
        self.directory = directory
        self._trace = trace

    async def call(self, caller: Process, target: Process, method: str, arguments: tuple[Any, ...]) -> Any:
        """The answer of the target's `method`."""
        caller.before_call(method)
        if caller.frozen:
            await asyncio.sleep(0)  # it stands still, and the call leaves after the thaw
        reply = caller.loop.create_future()
        self._trace.add(caller.loop.time(), "call", caller, target, method)
        call = _Call(self, caller, target, method, arguments, reply)
        if not target.alive or target.served is None:
            caller.loop.at(self._delay() + self.random.random() * NOTICE_S, call.fail, owner=caller.context)
        elif self.happens(self.weather.loss):
            self._lose(call)
        else:
            call.send(self._delay())
            if self.happens(self.weather.echo):
                _Call(self, caller, target, method, arguments, None).send(self._delay() + self.late())
        return await reply

    def late(self) -> float:
        """Up to `LATE_S`, mostly far less."""
        return LATE_S * self.random.random() ** 4

    def back(self, call: "_Call", result: Any, error: Exception | None) -> None:
        """Carry an answer."""
        call.caller.loop.at(self._delay(), call.answer, result, error, owner=call.caller.context)

    def _lose(self, call: "_Call") -> None:
        if self.random.random() < 0.5:  # the call is carried out, and only its answer is lost
            _Call(self, call.caller, call.target, call.method, call.arguments, None).send(self._delay())
        call.caller.loop.at(0.05 + self.late(), call.fail, owner=call.caller.context)

    def _delay(self) -> float:
        slow = self.happens(self.weather.lull)
        return 0.0002 + self.random.random() * (1.0 if slow else 0.004)

    def happens(self, probability: float) -> bool:
        """Whether it does, this time."""
        return probability > 0 and self.random.random() < probability


class _Call:
    """One call under way. `reply` is None for a copy whose answer nobody awaits."""

    __slots__ = ("arguments", "caller", "method", "network", "reply", "target")

    def __init__(
        self,
        network: Network,
        caller: Process,
        target: Process,
        method: str,
        arguments: tuple[Any, ...],
        reply: asyncio.Future[Any] | None,
    ) -> None:
        self.network = network
        self.caller = caller
        self.target = target
        self.method = method
        self.arguments = arguments
        self.reply = reply

    def send(self, delay: float) -> None:
        if self.reply is not None:
            self.target.on_death[self._mourn] = None
        self.target.loop.at(delay, self._arrive, owner=self.target.context)

    def answer(self, result: Any, error: Exception | None) -> None:
        if self.reply is None or self.reply.done():
            return
        if error is None:
            self.reply.set_result(result)
        else:
            self.reply.set_exception(error)

    def fail(self) -> None:
        dead = not self.target.alive
        self.answer(None, ActorDiedError() if dead else ActorUnavailableError("lost", None))

    def _mourn(self) -> None:
        delay = self.network.random.random() * NOTICE_S
        self.caller.loop.at(delay, self.fail, owner=self.caller.context)

    def _arrive(self) -> None:
        self.target.spawn(self._carry_out(), self.method)

    async def _carry_out(self) -> None:
        result: Any = None
        error: Exception | None = None
        try:
            result = await getattr(self.target.served, self.method)(*self.arguments)
        except StaleEpochError:
            self.target.die()  # as `served` does in actors/shells.py
            return
        except ValueError as fault:
            error = RuntimeError(fault)  # Ray wraps what a method raises, and a bare ValueError means a missing actor
        except Exception as fault:  # noqa: BLE001 - the caller gets it
            error = fault
        self.target.on_death.pop(self._mourn, None)
        if self.reply is not None:
            self.network.back(self, result, error)


class Handle:
    """What Ray's actor handles look like: `handle.method.remote(...)`."""

    def __init__(self, network: Network, caller: Process, target: Process) -> None:
        self._network = network
        self._caller = caller
        self._target = target

    def __getattr__(self, method: str) -> "_Method":
        return _Method(self._network, self._caller, self._target, method)


class _Method:
    def __init__(self, network: Network, caller: Process, target: Process, name: str) -> None:
        self._way = (network, caller, target, name)

    def remote(self, *arguments: Any) -> Any:
        network, caller, target, name = self._way
        return network.call(caller, target, name, arguments)


class SharedHandle(Handle):
    """That of a shared actor, which unpacks what it gets."""

    def __getattr__(self, method: str) -> "_Served":
        return _Served(self._network, self._caller, self._target, method)


class _Served(_Method):
    def remote(self, *arguments: Any) -> Any:
        return super().remote(*map(unpacked, arguments))


class SimulatedActor(RemoteActor):
    """The real one, but for where it finds its actor."""

    def __init__(self, name: str, network: Network, caller: Process) -> None:
        super().__init__(name, caller.ports)
        self._network = network
        self._caller = caller

    def _find(self) -> Any:
        self._actor = SharedHandle(self._network, self._caller, self._network.directory.find(self._name))
        return self._actor


class SimulatedTopic(RemoteTopic):
    """The real one, but for tickets that are lost or doubled on the way."""

    def __init__(self, name: str, network: Network, caller: Process) -> None:
        super().__init__(name, SimulatedActor(TOPICS, network, caller))
        self._network = network

    async def put(self, tickets: int, shard: int = 0) -> int:
        weather, random = self._network.weather, self._network.random
        if random.random() < weather.ticket_loss:
            return tickets
        if random.random() < weather.ticket_echo:
            tickets *= 2
        return await super().put(tickets, shard)


def remote_journal(
    network: Network, caller: Process, shards: int, sharded: type[ShardedJournal] = ShardedJournal
) -> JournalApi:
    """The journal, in the caller's process; several shards behind this face."""

    def part(shard: int) -> RemoteJournal:
        patience_s = PATIENCE_S if shards == 1 else CLAIM_PATIENCE_S
        journal = RemoteJournal(journal_name(shard), caller.ports, shard=shard, claim_patience_s=patience_s)
        journal._remote = SimulatedActor(journal_name(shard), network, caller)
        return journal

    parts = [part(shard) for shard in range(shards)]
    return journal_of(parts) if shards == 1 else sharded(parts)


def remote_token_logs(network: Network, caller: Process, shards: int) -> TokenLogApi:
    """The token log, in the caller's process."""
    return token_log_of([remote_token_log(token_log_name(shard), network, caller) for shard in range(shards)])


def remote_token_log(name: str, network: Network, caller: Process) -> RemoteTokenLog:
    """A shard's token log."""
    token_log = RemoteTokenLog(name, caller.ports)
    token_log._remote = SimulatedActor(name, network, caller)
    return token_log
