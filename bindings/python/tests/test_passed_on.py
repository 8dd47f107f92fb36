"""What a handler raises is the answer, also where it looks like something that a client sees to by itself."""

import asyncio
from typing import Any, Callable

import pytest
from conftest import Peers, eventually
from systems import go_on, pause

import shared_channel as sc

Ask = Callable[[sc.Client, int], Any]


def call(client: sc.Client, n: int) -> Any:
    return client.call(n)


def call_in_place(client: sc.Client, n: int) -> Any:
    return bytes(client.call_in_place(n))


def call_async(client: sc.Client, n: int) -> Any:
    return asyncio.run(client.call_async(n))


def call_async_that_queues(client: sc.Client, n: int) -> Any:
    """While one that runs longer has the only slot."""

    async def both() -> Any:
        first = asyncio.ensure_future(client.call_async(0))
        await asyncio.sleep(0)
        try:
            return await client.call_async(n)
        finally:
            await first

    return asyncio.run(both())


def draft(client: sc.Client, n: int) -> Any:
    with client.draft() as room:
        with room.view() as view:
            view[:] = n.to_bytes(4, "little")
        return bytes(room.send())


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("ask", [call, call_in_place, call_async, call_async_that_queues, draft])
@pytest.mark.parametrize("kind", [sc.NoServer, sc.Busy, sc.LayoutMismatch, sc.ServerStopped, sc.ServerDied])
@pytest.mark.parametrize("is_promised", [False, True])
def test_the_handler_runs_once(
    name: str, kind: type[sc.ChannelError], is_promised: bool, ask: Ask, waits: bool
) -> None:
    runs: list[int] = []

    def pass_on(n: int) -> int:
        if n == 0:
            if ask is call_async_that_queues:
                assert eventually(lambda: sc.inspect(name).is_slot_awaited)
            return 0
        runs.append(n)
        raise kind("not today", not_executed=is_promised)

    with sc.Server(name, pass_on, request="i32", reply="i32", max_calls=1):
        client = sc.Client(name, timeout=60, wait_for_server=waits)
        assert client.call(0) == 0 if ask is not call_async_that_queues else client.request == "i32"
        with pytest.raises(kind, match="not today") as raised:
            ask(client, 1)
        assert runs == [1]
        assert raised.value.passed_on and raised.value.not_executed == is_promised


def test_errors_of_the_channel_itself_are_not_passed_on(name: str) -> None:
    with pytest.raises(sc.NoServer) as raised:
        sc.Client(name).call(1)
    assert not raised.value.passed_on and not raised.value.relay().passed_on


def test_one_that_escapes_says_whose_it_was(name: str) -> None:
    """It goes through two handlers."""
    far = sc.Client(name + "-far", timeout=60)

    def pass_on(n: int) -> Any:
        return far.call(n)

    with sc.Server(name, pass_on, request="i32", reply="i32"):
        client = sc.Client(name, timeout=60, wait_for_server=True)
        with pytest.raises(sc.NoServer, match=f"{name}-far") as raised:
            client.call(1)
        assert raised.value.passed_on and not raised.value.not_executed


CALLER = """
import sys, shared_channel as sc
client = sc.Client(sys.argv[1], timeout=60)
print(client.request, flush=True)
sys.stdin.readline()
try:
    print(client.call(0, 1))
except sc.ChannelError as error:
    print(error.name, error.not_executed, error.safe_to_retry, error.passed_on)
"""


def test_what_the_next_server_says_counts(peers: Peers, name: str, run_python: Any) -> None:
    """The first one dies with the request unseen; the second one's handler runs, and cannot reach a third."""
    first = peers.serve("slow", name)
    caller = run_python(CALLER, name)
    runs: list[int] = []
    third = sc.Client(name + "-third")

    def pass_on(a: int, b: int) -> Any:
        runs.append(b)
        return third.call(a)

    second = sc.Server(name, pass_on, request=sc.Client(name).request, reply=sc.Client(name).reply)
    try:
        assert caller.stdout.readline() == second.request + "\n"
        first.pause()
        caller.stdin.write("\n")
        caller.stdin.flush()
        assert eventually(lambda: any(one.state == "queued" for one in sc.inspect(name).calls))
        pause(caller)  # or it would find nobody
        first.kill()
        with second:
            go_on(caller)
            assert caller.stdout.readline() == "no_server False False True\n"
        assert runs == [1]
    finally:
        caller.kill()
        caller.communicate()
