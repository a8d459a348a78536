import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from time import monotonic

import psutil
import pytest
import yaml

from actors.journal.journal import Journal
from actors.journal.protocol import Worker
from actors.shards import open_journal, open_token_log
from benchmarks.arrivals import LOST, offer, poisson
from benchmarks.batch_client import content
from benchmarks.bulk import Rates as BulkRates
from benchmarks.bulk import accepted, calls
from benchmarks.bulk import result as bulk_result
from benchmarks.bulk import submit as submit_bulk
from benchmarks.chunks import batches
from benchmarks.chunks import rate as chunk_rate
from benchmarks.crowd import check as check_crowd
from benchmarks.crowd import chunks, sample
from benchmarks.event_rate import events_per_s
from benchmarks.event_rate import result as event_result
from benchmarks.journal_file import open_journal_file
from benchmarks.load import Load, post, send
from benchmarks.memory import MIB, growth, requests
from benchmarks.model_batch import Firsts
from benchmarks.model_batch import bodies as model_bodies
from benchmarks.model_batch import result as model_batch_result
from benchmarks.model_streams import OURS as OUR_STREAMS
from benchmarks.model_streams import RAY_LLM, compare, tokens_of
from benchmarks.peers.constant_stream import frames_of
from benchmarks.peers_table import Turn, table
from benchmarks.peers_table import result as peers_result
from benchmarks.pipeline import ASYNC, OURS, PEERS, TEMPLATED, result
from benchmarks.processes import name_of, processor_s
from benchmarks.program import running
from benchmarks.ratios import Pairs, compared, differences, ratios, spread
from benchmarks.retention import BATCH, House, Rates
from benchmarks.retention import result as retention_result
from benchmarks.scripted_batch import Times, bodies
from benchmarks.scripted_batch import result as batch_result
from benchmarks.server import free_port
from benchmarks.shard import batch, check, memory, rates
from benchmarks.sse import Stream, read
from benchmarks.streams import result as streams_result
from benchmarks.topologies import Figures, percentile
from benchmarks.topologies import result as topologies_result
from benchmarks.topologies_page import BEGIN, END, between_marks
from benchmarks.topologies_page import table as topologies_table
from benchmarks.topology import TOPOLOGIES, over_http
from configs.settings import CONFIGS
from pipelines.commands import Answer, Cancel, Verdict
from tests.factories import INFERENCE, PROMPTING, claim, finish, generated, job_id, make_ports, rendered, submit


class HttpServer:
    """Answers every request with the next of some replies, in two pieces."""

    def __init__(self, *replies: bytes) -> None:
        self.replies = list(replies)
        self.bodies: list[bytes] = []
        self.connections = 0
        self.port = free_port()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.replies:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                reply = self.replies.pop(0)
                writer.write(reply[:10])
                await writer.drain()
                writer.write(reply[10:])
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def http_server() -> AsyncIterator[HttpServer]:
    server = HttpServer(*[b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok"] * 9)
    async with await asyncio.start_server(server.serve, "127.0.0.1", server.port):
        yield server


def test_sides_are_compared_within_their_pair() -> None:
    spread = ratios([10, 30, 20], [10, 10, 5])
    assert (spread.median, spread.least, spread.greatest) == (3, 1, 4)
    assert str(ratios([0.12345, 4567.8], [1, 1])) == "2284 (0.123 to 4568)"
    assert differences([5, 7], [4, 4]) == (2, 1, 3)


def test_a_figure_without_a_partner_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratios([1, 2], [1])


async def test_the_load_sends_every_request_once_over_few_connections(http_server: HttpServer) -> None:
    load = await send(http_server.port, [post("/jobs", {"n": n}) for n in range(9)], connections=3)
    assert load.statuses == {202: 9}
    assert sorted(json.loads(body)["n"] for body in http_server.bodies) == list(range(9))
    assert http_server.connections == 3


async def test_the_load_fails_where_the_server_hangs_up(http_server: HttpServer) -> None:
    del http_server.replies[5:]
    with pytest.raises(ConnectionError):
        await send(http_server.port, [post("/jobs", {})] * 20, connections=1)


def test_a_refused_request_makes_the_load_worthless() -> None:
    Load(0, 1, Counter({202: 3})).check(202)
    with pytest.raises(RuntimeError, match="503"):
        Load(0, 1, Counter({202: 3, 503: 1})).check(202)


def test_the_result_of_the_pipeline_has_the_medians_of_its_pairs() -> None:
    rates = {OURS: [100.0, 300.0, 200.0], TEMPLATED: [150.0] * 3, **{peer: [100.0] * 3 for peer in PEERS}}
    on_postgres = {OURS: [300.0] * 3, ASYNC: [200.0] * 3}
    figures = result(rates, spread([3.0, 5.0, 4.5]), on_postgres, {"journal": 500})
    assert figures["vs_ray_serve_async"] == figures["vs_ray_serve_async_always"] == figures["vs_noop"] == 2
    assert figures["least_to_greatest"]["vs_noop"] == [1, 3]
    assert (figures["vs_ray_serve_async_postgres"], figures["accept_added_ms"]) == (1.5, 4.5)
    assert figures["templated_vs_ray_serve_async"] == 1.5


@pytest.mark.parametrize(
    ("command", "program", "name"),
    [
        (["ray::ServeReplica:inference.scripted:inference"], "ray::ServeRepl", "inference.scripted"),
        (["ray::JournalActor.submit"], "ray::JournalAct", "JournalActor"),
        (["ray::TokenLogActor   "], "ray::TokenLogAc", "TokenLogActor"),
        (["/usr/sbin/haproxy", "-db"], "haproxy", "haproxy"),
        (["/usr/bin/python", "-u", "/ray/log_monitor.py"], "python3.11", "log_monitor.py"),
        (["/usr/bin/python", "-m", "heliograph", "serve"], "python", "-m heliograph"),
        ([], "raylet", "raylet"),
    ],
)
def test_processes_are_called_by_what_they_do(command: list[str], program: str, name: str) -> None:
    assert name_of(command, program) == name


def test_processor_time_is_that_of_all_processes_together() -> None:
    before = sum(processor_s(os.getpid()).values())
    with running([sys.executable, "-c", "for _ in range(10**6): pass\nprint('ready', flush=True); input()"]) as program:
        program.line("ready", within_s=30)
        assert sum(processor_s(program.pid).values()) > 0
        assert sum(processor_s(os.getpid()).values()) > before


def test_jobs_that_come_by_the_thousand_all_differ() -> None:
    bodies = [request.partition(b"\r\n\r\n")[2] for request in calls(2000, 5000)]
    prompts = [job["prompt"] for body in bodies for job in json.loads(body)["jobs"]]
    assert (len(bodies), len(set(prompts))) == (2, 2000)
    with pytest.raises(ValueError, match="no whole calls"):
        calls(1500, 0)


async def test_the_answers_of_bulk_calls_are_kept_whole(http_server: HttpServer) -> None:
    started, answered, bodies = await submit_bulk(http_server.port, [post("/jobs", {})] * 9)
    assert bodies == [b"ok"] * 9
    assert started < answered


def test_a_refused_job_makes_a_bulk_call_worthless() -> None:
    assert accepted([b'{"data": [{"job_id": "a"}, {"job_id": "b"}]}', b'{"data": [{"job_id": "c"}]}']) == 3
    with pytest.raises(RuntimeError, match="1 jobs were refused"):
        accepted([b'{"data": [{"job_id": "a"}, {"error": {"code": "rate_limit_exceeded"}}]}'])


def test_the_result_of_bulk_calls_has_medians_and_spreads() -> None:
    figures = bulk_result([BulkRates(100, 10), BulkRates(300, 30), BulkRates(200, 20)])
    assert (figures["accepted_per_s"], figures["finished_per_s"]) == (200, 20)
    assert figures["least_to_greatest"]["finished_per_s"] == [10, 30]


def test_each_peer_is_compared_with_ours_on_the_same_kind_of_store() -> None:
    turns = {
        "heliograph": [Turn(200, 1, 5), Turn(300, 1, 5)],
        "heliograph_postgres": [Turn(100, 2, 10), Turn(200, 2, 10)],
        "celery": [Turn(100, 1, 10), Turn(100, 1, 20)],
        "dbos": [Turn(50, 3, 20), Turn(100, 3, 20)],
    }
    figures = peers_result(turns)
    assert figures["vs_celery"] == [2.5, 2, 3]
    assert figures["vs_dbos"] == [2, 2, 2]
    assert figures["time_vs_celery"] == [0.375, 0.25, 0.5]
    assert "vs_temporal" not in figures
    assert figures["dbos"]["jobs_per_s"] == [75, 50, 100]


def test_the_table_of_peers_states_what_each_promises() -> None:
    head, _, row = table({"dbos": [Turn(50, 3, 20), Turn(100, 3, 20)]})
    assert len(row.split("|")) == len(head.split("|"))
    assert row.startswith("| `dbos` | 75 (50 to 100) | 3 (3 to 3) | 20 (20 to 20) | Postgres, fsync=on")


async def test_requests_come_when_they_are_due_and_each_is_answered(http_server: HttpServer) -> None:
    begun = monotonic()
    answers = await offer(http_server.port, [post("/jobs", {"n": n}) for n in range(9)], repeat(0.01))
    assert [(answer.status, answer.body) for answer in answers] == [(202, b"ok")] * 9
    assert sorted(json.loads(body)["n"] for body in http_server.bodies) == list(range(9))
    assert monotonic() - begun >= 0.08
    assert answers == sorted(answers, key=lambda answer: answer.due)


async def test_a_request_without_an_answer_is_told_and_stops_no_other(http_server: HttpServer) -> None:
    del http_server.replies[2:]
    answers = await offer(http_server.port, [post("/jobs", {})] * 4, repeat(0.01))
    assert sorted(answer.status for answer in answers) == [LOST, LOST, 202, 202]
    assert [answer.status for answer in await offer(free_port(), [post("/jobs", {})], repeat(0.0))] == [LOST]


def test_arrivals_by_chance_are_the_same_for_a_seed_and_as_many_as_asked() -> None:
    gaps = list(islice(poisson(100, 1), 10_000))
    assert gaps == list(islice(poisson(100, 1), 10_000))
    assert 90 < len(gaps) / sum(gaps) < 110


def test_a_percentile_is_a_figure_that_was_seen() -> None:
    assert [percentile(range(1, 101), share) for share in (0.5, 0.99, 1)] == [50, 99, 100]
    assert percentile([7], 0.99) == 7


def test_the_page_of_topologies_gets_its_table_between_the_marks() -> None:
    ones = Figures(*range(len(Figures._fields)))
    lines = topologies_table(topologies_result({"monolith": [ones, ones], "event_driven": [ones]}))
    assert {line.count("|") for line in lines} == {4}
    assert between_marks(f"before {BEGIN} old {END} after", ["new"]) == f"before {BEGIN}\n\nnew\n\n{END} after"
    with pytest.raises(ValueError, match="marks"):
        between_marks("a page", [])


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_topology_has_its_configuration(name: str) -> None:
    assert (CONFIGS / f"{TOPOLOGIES[name].config}.yaml").exists()


def test_prompting_is_called_over_http_where_that_is_compared() -> None:
    config = over_http(yaml.safe_load((CONFIGS / "microservices.yaml").read_text()), 8123)
    by_name = {application["name"]: application for application in config["applications"]}
    assert by_name["prompting"]["route_prefix"] == "/prompting"
    assert by_name["ingestion"]["args"]["prompting"] == "http://127.0.0.1:8123/prompting"


def test_a_program_is_waited_for_line_by_line() -> None:
    script = "print('ready'); print('got', input())"
    with running([sys.executable, "-uc", script]) as program:
        assert program.line("ready", within_s=30) == ""
        program.say("word")
        assert program.line("got ", within_s=30) == "word"
        with pytest.raises(RuntimeError, match="ended with 0"):
            program.line("more", within_s=30)


def test_memory_of_a_replaced_process_is_not_compared() -> None:
    assert growth({1: 5 * MIB, 2: 0}, {1: 7 * MIB, 2: MIB}) == 3
    with pytest.raises(RuntimeError, match="replaced"):
        growth({1: 0}, {2: 0})


async def test_the_journal_is_read_from_outside(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, ports=make_ports())
    with open_journal_file(tmp_path) as file:
        assert (file.open_jobs(), file.largest_event()) == (0, 0)
        await journal.submit([submit(0), submit(1)])
        with pytest.raises(TimeoutError, match="2 jobs still open"):
            file.wait(within_s=0)
        await complete_job(journal)
        await journal.cancel([Cancel(job_id=job_id(1), tenant="default")])
        assert file.wait(within_s=0) <= monotonic()
        assert (file.completed(), file.failed(), file.output_tokens()) == (1, 1, 16)
        assert 0 < file.largest_event() < 2048
    journal.close()


async def complete_job(journal: Journal) -> None:
    await journal.register(Worker(id="w1", topic=PROMPTING, slots=1))
    await journal.register(Worker(id="w2", topic=INFERENCE, slots=1))
    for topic, worker, outcome in ((PROMPTING, "w1", rendered()), (INFERENCE, "w2", generated())):
        (claimed,) = await journal.claim(claim(topic, worker=worker, slots=1, claim_id=worker))
        await journal.finish([finish(claimed, outcome)])


def test_the_prompts_of_the_memory_benchmark_are_large_and_differ() -> None:
    first, second = requests(range(2))
    assert len(first) > 100 * 1024
    assert first != second


def test_the_first_calls_of_the_backlog_are_compared_with_the_last() -> None:
    assert rates([0.0, 1.0, 2.0, 3.0, 7.0], 2) == (1000, 400)
    with pytest.raises(ValueError, match="3 calls"):
        rates([0.0, 1.0, 2.0, 3.0], 4)


def test_the_jobs_of_the_backlog_differ_in_id_and_prompt() -> None:
    jobs = [job for call in (0, 1) for job in batch(call, make_ports(), 0)]
    assert len(jobs) == len({job.job_id for job in jobs}) == len({job.request.reference for job in jobs}) == 2000


def test_a_backlog_with_a_refused_job_is_none() -> None:
    check([Answer(Verdict.DONE)])
    with pytest.raises(RuntimeError, match="1 jobs were refused"):
        check([Answer(Verdict.DONE), Answer(Verdict.FULL)])


def test_what_processes_share_is_counted_once() -> None:
    me = psutil.Process()
    used = memory([me, me])
    assert 0 < used.together < used.resident
    assert memory([]) == (0, 0)


def test_the_cost_of_removing_is_told_by_store_and_pair() -> None:
    rates = {"sqlite": Rates([90.0, 60.0, 100.0], [100.0, 100.0, 100.0]), "postgres": Rates([80.0], [100.0])}
    told = retention_result(rates)
    assert (told["submit_rate_sqlite"], told["submit_rate_postgres"]) == (0.9, 0.8)
    assert told["least_to_greatest"]["sqlite"] == [0.6, 1.0]


async def test_the_old_jobs_of_the_benchmark_are_all_removed(tmp_path: Path) -> None:
    house = House(tmp_path, "", turn_s=0.0)
    await house.fill(BATCH)
    async with asyncio.timeout(60):
        rates = await house.measure("sqlite")
    house.close()
    assert len(rates.removing) == len(rates.undisturbed) >= 1


def chunked(*pieces: bytes, status: str = "200 OK") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))
    return f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + body


async def test_readers_get_one_stream_after_the_other_on_each_connection(http_server: HttpServer) -> None:
    http_server.replies[:] = [chunked(b'data: {"n":1}\n\n: ping\n\n', b'data: {"n":2}\n\ndata: [DONE]\n\n')] * 4
    streams = await read(http_server.port, [post("/stream", {})] * 4, connections=2, marker=b'"n":2')
    assert [stream.events for stream in streams] == [2] * 4
    assert all(stream.started < stream.first <= stream.ended for stream in streams)
    assert http_server.connections == 2


@pytest.mark.parametrize(
    ("reply", "error"), [(b"", ConnectionError), (chunked(b"busy", status="503 Busy"), RuntimeError)]
)
async def test_a_stream_that_is_cut_or_refused_fails_the_run(
    http_server: HttpServer, reply: bytes, error: type[Exception]
) -> None:
    http_server.replies[:] = [reply] * bool(reply)
    with pytest.raises(error):
        await read(http_server.port, [post("/stream", {})], connections=1)


def stream(*events: object, started: float = 0.0, ended: float = 1.0) -> Stream:
    pieces = [b"data: %s\n\n" % json.dumps(event).encode() for event in events]
    return Stream(started=started, ended=ended, pieces=[*pieces, b"data: [DONE]\n\n"])


def test_both_sides_tell_how_many_tokens_a_stream_was() -> None:
    ours = stream({"delta": "a"}, {"response": {"usage": {"output_tokens": 5}}})
    theirs = stream({"choices": [1], "usage": None}, {"choices": [], "usage": {"completion_tokens": 7}})
    assert (tokens_of(ours, OUR_STREAMS.tokens), tokens_of(theirs, RAY_LLM.tokens)) == (5, 7)
    with pytest.raises(RuntimeError, match="without its usage"):
        tokens_of(stream({"delta": "a"}), OUR_STREAMS.tokens)


def test_both_sides_are_asked_for_the_same_prompt_and_length() -> None:
    ours, theirs = (json.loads(side.request("Hi").partition(b"\r\n\r\n")[2]) for side in (OUR_STREAMS, RAY_LLM))
    assert (ours["input"], theirs["messages"]) == ("Hi", [{"role": "user", "content": "Hi"}])
    assert (ours["max_output_tokens"], ours["temperature"]) == (theirs["max_tokens"], theirs["temperature"])


def test_events_are_counted_from_the_first_request_to_the_last_end() -> None:
    assert events_per_s([stream({}, {}, started=1, ended=2), stream({}, started=2, ended=4)]) == 1


def test_the_results_of_the_streams_have_the_medians_of_their_pairs() -> None:
    assert event_result([1.0, 3.0, 2.0], [2.0, 2.0, 2.0])["sse_vs_noop"] == 1
    model = compared(
        {
            "tokens_vs_async_llm": Pairs([190.0] * 5, [200.0] * 5),
            "tokens_vs_ray_llm": Pairs([190.0] * 5, [100.0] * 5),
            "first_token_vs_ray_llm_ms": Pairs([60.0, 70.0, 90.0], [50.0, 60.0, 50.0]),
        }
    )
    parts = {"model_streams": model, "chunks": {"chunks_per_s": 6}, "event_rate": {"sse_vs_noop": 0.6}}
    figures = {key: figure for key, figure in streams_result(parts).items() if key != "parts"}
    assert figures == {
        "first_token_vs_ray_llm_ms": 10,
        "tokens_vs_async_llm": 0.95,
        "tokens_vs_ray_llm": 1.9,
        "chunks_per_s": 6,
        "sse_vs_noop": 0.6,
    }


def test_the_sides_begin_by_turns_and_the_first_pair_warms_up() -> None:
    order: list[str] = []

    def turn(side: str, asked: Sequence[str]) -> float:
        order.append(side)
        return float(asked[0])

    pairs = compare(partial(turn, "ours"), partial(turn, "theirs"), [["1"], ["2"], ["3"]], pause_s=0)
    assert pairs == Pairs([2.0, 3.0], [2.0, 3.0])
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]


def test_the_constant_stream_has_the_frames_of_the_recorded_one() -> None:
    body = stream({"n": 1}, {"n": 2}).body
    assert b"".join(frames_of(body)) == body
    assert len(frames_of(body)) == 3


def test_a_crowd_of_which_one_saw_other_bytes_is_noticed() -> None:
    quiet, pinged = stream({"n": 1}), stream({"n": 1})
    pinged.pieces.insert(1, b": ping\n\n")
    check_crowd([quiet, pinged])
    with pytest.raises(RuntimeError, match="2 different"):
        check_crowd([quiet, stream({"n": 2})])


def test_samples_are_found_by_name_and_label() -> None:
    exposition = 'heliograph_stream_chunks_total{source="feed"} 12.0\nheliograph_stream_waiting_bytes 49152.0\n'
    assert sample(exposition, "stream_chunks", source="feed") == 12
    assert sample(exposition, "stream_chunks", source="page") == 0
    assert sample(exposition, "stream_waiting_bytes") == 49152


async def test_the_chunks_of_the_benchmark_are_all_taken(tmp_path: Path) -> None:
    log = open_token_log(tmp_path, ports=make_ports())
    assert await chunk_rate(log, batches(0, jobs=3, count=6)) > 0
    assert chunks(tmp_path) == 18
    log.close()


def test_the_lines_of_the_batch_benchmark_all_differ_and_are_requests() -> None:
    lines = [json.loads(line) for line in content(bodies(20)).splitlines()]
    assert len({line["custom_id"] for line in lines}) == len({json.dumps(line["body"]) for line in lines}) == 20
    assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}


def test_the_batch_benchmark_counts_until_the_results_are_files() -> None:
    figures = batch_result(Times(accepted=4.0, run=18.0, completed=20.0), {"journal": 3.0, "queues": 1.5})
    assert (figures["accept_s"], figures["lines_per_s"], figures["finalize_s"]) == (4.0, 2500, 2.0)
    assert figures["memory_growth_mib"] == 4.5


def test_the_batch_benchmark_compares_rates_pair_by_pair_and_first_tokens_with_idle_ones() -> None:
    firsts = Firsts(idle=[*[10.0] * 19, 90.0], full=[*[30.0] * 19, 900.0], protected=[15.0] * 40)
    figures = model_batch_result(Pairs([95.0, 99.0, 60.0], [100.0, 100.0, 100.0]), firsts, protected=40.0)
    assert (figures["vs_offline"], figures["vs_offline_protected"]) == (0.95, 0.4)
    assert (figures["interactive_p95_ratio"], figures["interactive_p95_ratio_protected"]) == (3.0, 1.5)


def test_the_lines_of_the_model_batch_benchmark_are_its_prompts() -> None:
    lines = [json.loads(line) for line in content(model_bodies(["one", "two"])).splitlines()]
    assert [line["body"]["messages"][0]["content"] for line in lines] == ["one", "two"]
    assert {line["body"]["max_completion_tokens"] for line in lines} == {32}
