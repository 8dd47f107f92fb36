"""The examples, among themselves and with the C++ program that README begins with."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import BUILD, eventually
from systems import command_of, interrupt

import shared_channel as sc

EXAMPLES = Path(os.environ.get("SHARED_CHANNEL_EXAMPLES", "../../examples"))
HELLO = BUILD / "examples/hello"
SERVERS = {
    "python": command_of(EXAMPLES / "adder_server.py"),
    "hello": [str(HELLO), "serve"],
}
CLIENTS = {"python": command_of(EXAMPLES / "adder_client.py"), "hello": [str(HELLO)]}


def ask(client: str) -> str:
    return subprocess.run(CLIENTS[client], capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_two_and_three(server: str, client: str) -> None:
    if "hello" in (server, client) and not HELLO.exists():
        pytest.skip("hello was not built")
    if "adder" in sc.list_channels() and sc.inspect("adder").state == "open":
        pytest.skip("somebody serves the adder")
    process = subprocess.Popen(SERVERS[server], stdout=subprocess.DEVNULL)
    try:
        assert eventually(lambda: ask(client) == "2 + 3 = 5\n", 60)
    finally:
        interrupt(process)
        status = process.wait(60)
    assert status == 0
    assert "no server is running" in ask(client)


@pytest.mark.parametrize("script", ["adder_client.py", "adder_server.py"])
def test_hello_is_short(script: str) -> None:
    assert len((EXAMPLES / script).read_text().splitlines()) <= 10
