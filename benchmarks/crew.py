"""The workers of the platform in this process: prompting and scripted inference, on the shared actors of one shard."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from actors.blobs import Blobs
from actors.heart import ThreadHeart
from actors.journal.protocol import Worker
from actors.naming import TOPICS, token_log_name
from actors.puller import Handler, Lane, Puller
from actors.remotes import RemoteActor, RemoteJournal, RemoteTokenLog
from actors.system import real_ports
from actors.topics.remote import RemoteTopic
from configs.profiles import load_profile
from deployments.app import inference_seat, make_engine, make_inference_worker, make_prompt_worker, prompting_seat
from pipelines.ports import Ports


@asynccontextmanager
async def crew(journal: RemoteJournal, *, shard: int) -> AsyncIterator[None]:
    """One worker of each kind, at work until the end."""
    ports, profile = real_ports(), load_profile("scripted")
    blobs = Blobs(journal, Path((await journal.info()).places.blobs), ports.clock)
    engine = make_engine(profile)
    await engine.start()
    prompting = make_prompt_worker([profile.name], journal=journal, blobs=blobs, ports=ports)
    inference = make_inference_worker(
        profile,
        engine,
        journal=journal,
        token_log=RemoteTokenLog(token_log_name(shard), ports),
        blobs=blobs,
        ports=ports,
    )
    async with AsyncExitStack() as working:
        working.push_async_callback(engine.close)
        for seat, worker in (
            (prompting_seat("prompting"), prompting),
            (inference_seat("inference", profile, engine), inference),
        ):
            working.push_async_callback((await _pull(journal, seat, worker, ports)).stop)
        yield


async def _pull(journal: RemoteJournal, seat: Worker, worker: Handler, ports: Ports) -> Puller:
    topic = RemoteTopic(seat.topic, RemoteActor(TOPICS, ports))
    heart = ThreadHeart(journal.beat, ports=ports)
    puller = Puller(seat, worker, journal=journal, lanes=[Lane(topic, worker)], heart=heart, ports=ports)
    await puller.start()
    return puller
