"""The ingress: HAProxy where it can run, its service ports closed to the network."""

import importlib.util
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from heliograph import haproxy, local_ray
from tests.servers import free_port, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="HAProxy is for Linux")

CONFIG = """
defaults
    mode http
    timeout client 1s
    timeout server 1s
    timeout connect 1s
frontend prometheus
    bind :9101
frontend http
    bind *:8000
    default_backend default_backend
backend default_backend
    http-request return status 404 content-type text/plain lf-string "Path \'%[path]\' not found."
listen stats
  bind *:8404
"""


def test_the_service_ports_are_bound_to_this_machine_and_the_configured_one_is_left_alone(tmp_path: Path) -> None:
    binary = haproxy._environment(tmp_path)["RAY_SERVE_HAPROXY_BINARY_PATH"]
    config = tmp_path / "haproxy.cfg"
    config.write_text(CONFIG)
    subprocess.run([binary, "-c", "-f", str(config)], check=True, capture_output=True)
    binds = [line.strip() for line in config.read_text().splitlines() if "bind" in line]
    assert binds == ["bind 127.0.0.1:9101", "bind *:8000", "bind 127.0.0.1:8404"]


def test_serve_knows_every_variable_that_it_is_told(tmp_path: Path) -> None:
    ray = importlib.util.find_spec("ray")
    assert ray is not None
    assert ray.origin is not None
    known = (Path(ray.origin).parent / "serve/_private/constants.py").read_text()
    told = [name for name in {**local_ray._DEFAULTS, **haproxy._environment(tmp_path)} if name.startswith("RAY_SERVE_")]
    assert [name for name in told if f'"{name}"' not in known] == []
    assert len(told) > 10


def test_without_an_application_it_says_that_it_is_not_ready_and_never_that_a_job_is_not_there(tmp_path: Path) -> None:
    binary = haproxy._environment(tmp_path)["RAY_SERVE_HAPROXY_BINARY_PATH"]
    config, port = tmp_path / "haproxy.cfg", free_port()
    ingress = CONFIG.replace("*:8000", f"127.0.0.1:{port}").replace("frontend prometheus\n    bind :9101\n", "")
    config.write_text(ingress.partition("listen stats")[0])
    with subprocess.Popen([binary, "-db", "-f", str(config)]) as process:
        reply = until(lambda: _ask(port), seconds=30, what="an answer")
        process.kill()
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "1"
    assert reply.json()["error"]["code"] == "not_ready"


def _ask(port: int) -> httpx.Response | None:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/jobs/resp_1")
    except httpx.TransportError:
        return None


REUSING = """
global
    nbthread 1
defaults
    mode http
    option splice-request
    option abortonclose
    timeout client 60s
    timeout server 60s
    timeout connect 5s
frontend http
    bind 127.0.0.1:{port}
    default_backend service
backend service
    http-reuse always
    server one 127.0.0.1:{service}
"""
HEAD = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n"


def test_a_client_that_leaves_before_its_reply_is_noticed(tmp_path: Path) -> None:
    binary = haproxy._environment(tmp_path)["RAY_SERVE_HAPROXY_BINARY_PATH"]
    config, port = tmp_path / "haproxy.cfg", free_port()
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.settimeout(30)
        config.write_text(REUSING.format(port=port, service=service.getsockname()[1]))
        with subprocess.Popen([binary, "-db", "-f", str(config)]) as process:
            until(lambda: not haproxy.is_free("127.0.0.1", port), seconds=30, what="HAProxy")
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(HEAD + b"{}")
                connection, _ = service.accept()
                connection.settimeout(10)
                assert connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                assert client.recv(1000)
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(HEAD)
                assert connection.recv(1000)  # it is used again
                client.sendall(b"{}")
                assert connection.recv(2) == b"{}"
            gone = _end_of(connection)
            process.kill()
    assert gone


def _end_of(connection: socket.socket) -> bool:
    with connection:
        try:
            return connection.recv(1000) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


def test_a_second_server_on_the_machine_takes_the_python_proxy_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with haproxy.ingress(), haproxy.ingress() as second:
        assert second == haproxy.PYTHON_PROXY
    assert "Python proxy" in caplog.text


def test_who_does_not_want_haproxy_leaves_it_to_others() -> None:
    with haproxy.ingress() as others:
        pass
    with haproxy.ingress(haproxy=False) as environment, haproxy.ingress() as second:
        assert environment == haproxy.PYTHON_PROXY
        assert second.keys() == others.keys()  # it is taken only where somebody had it before


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert not haproxy.is_free("127.0.0.1", listener.getsockname()[1])


def test_a_nodes_shell_learns_where_the_wrapper_is(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "heliograph.haproxy", str(tmp_path / "folder")]
    said = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    config = tmp_path / "haproxy.cfg"
    config.write_text(CONFIG)
    shell = f'{said}\n"$RAY_SERVE_HAPROXY_BINARY_PATH" -c -f "{config}" && echo "$RAY_SERVE_ENABLE_HA_PROXY"'
    heard = subprocess.run(["/bin/bash", "-c", shell], capture_output=True, text=True, check=True).stdout
    assert heard.endswith("1\n")
    assert "bind 127.0.0.1:9101" in config.read_text()
