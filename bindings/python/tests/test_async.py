"""Calls that asyncio waits for."""

import asyncio
import gc
import os
import select
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

import pytest
from conftest import Peers, eventually
from systems import needs_fork

import shared_channel as sc
from shared_channel._async import Completions


@pytest.fixture(params=["descriptor", "thread"], autouse=True)
def way(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """How a loop learns that a call has ended; by a thread is Windows' way."""
    monkeypatch.setattr(Completions, "uses_descriptors", request.param == "descriptor")
    yield


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop run until it comes true."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.001)


class Sum(NamedTuple):
    value: int


def test_an_answer(peers: Peers, name: str) -> None:
    peers.serve("add", name)
    client = sc.Client(name, timeout=60)

    async def main() -> None:
        assert await client.call_async(2, 3) == 5
        assert await client.call_async(2, 3, reply_type=Sum) == Sum(5)

    asyncio.run(main())
    asyncio.run(main())  # another loop


def test_many_at_once(peers: Peers, name: str) -> None:
    """More than there are slots: the others queue without stopping the loop."""
    peers.serve("slow", name)
    client = sc.Client(name, timeout=60)

    async def main() -> list[int]:
        return await asyncio.gather(*(client.call_async(5, n) for n in range(20)))

    assert asyncio.run(main()) == [5 + n for n in range(20)]


def test_the_loop_goes_on_meanwhile(peers: Peers, name: str) -> None:
    peers.serve("slow", name)
    client = sc.Client(name, timeout=60)

    async def main() -> int:
        turns = 0
        call = asyncio.ensure_future(client.call_async(200, 0))
        while not call.done():
            turns += 1
            await asyncio.sleep(0.001)
        assert await call == 200
        return turns

    assert asyncio.run(main()) > 5


def test_cancelling_the_task_cancels_the_call(peers: Peers, name: str) -> None:
    server = peers.serve("add", name)
    client = sc.Client(name, timeout=60)
    assert client.call(2, 3) == 5
    server.pause()

    async def main() -> None:
        task = asyncio.ensure_future(client.call_async(2, 3))
        await until(lambda: bool(sc.inspect(name).calls))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not sc.inspect(name).calls)  # withdrawn, while the server cannot do a thing
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.call_async(2, 3), 0.05)

    asyncio.run(main())
    server.go_on()
    assert client.call(2, 3) == 5
    assert eventually(lambda: sc.inspect(name).stats.done == 2)


def test_cancelling_a_call_that_queues(peers: Peers, name: str) -> None:
    peers.serve("slow", name)
    client = sc.Client(name, timeout=60)

    async def main() -> None:
        running = [asyncio.ensure_future(client.call_async(3000, n)) for n in range(2)]
        await asyncio.sleep(0)
        await until(lambda: len(sc.inspect(name).calls) == 2)
        with pytest.raises(sc.Busy):
            await client.call_async(0, 0, slot_wait=0)
        queued = asyncio.ensure_future(client.call_async(0, 0))
        await until(lambda: sc.inspect(name).is_slot_awaited)
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queued
        await until(lambda: not sc.inspect(name).is_slot_awaited)
        assert not any(one.done() for one in running)
        assert await asyncio.gather(*running) == [3000, 3001]

    asyncio.run(main())


def test_failures(peers: Peers, name: str) -> None:
    client = sc.Client(name)
    patient = sc.Client(name, wait_for_server=True)

    async def without() -> None:
        with pytest.raises(sc.NoServer):
            await client.call_async(2, 3)
        with pytest.raises(sc.NoServer):
            await patient.call_async(2, 3, timeout=0.05)

    asyncio.run(without())
    server = peers.serve("slow", name)

    async def with_one() -> None:
        with pytest.raises(sc.TimedOut) as raised:
            await client.call_async(60_000, 3, timeout=0.05)
        assert not raised.value.not_executed
        call = asyncio.ensure_future(client.call_async(60_000, 3, timeout=60))
        await until(lambda: any(one.state == "queued" for one in sc.inspect(name).calls))
        server.kill()
        with pytest.raises(sc.ChannelError):
            await call

    asyncio.run(with_one())
    peers.serve("add", name)
    assert asyncio.run(patient.call_async(2, 3, timeout=60)) == 5
    client.close()
    with pytest.raises(ValueError):
        asyncio.run(client.call_async(2, 3))


def test_close_ends_calls_in_flight(peers: Peers, name: str) -> None:
    server = peers.serve("add", name)
    client = sc.Client(name, timeout=60)
    assert client.call(2, 3) == 5
    server.pause()

    async def main() -> None:
        call = asyncio.ensure_future(client.call_async(2, 3))
        await until(lambda: bool(sc.inspect(name).calls))
        client.close()
        with pytest.raises(sc.TimedOut):
            await call

    asyncio.run(main())


def test_a_loop_that_ends_with_calls_in_flight(peers: Peers, name: str) -> None:
    """Nobody waits for them any more: they are withdrawn."""
    server = peers.serve("add", name)
    client = sc.Client(name, timeout=60)
    assert client.call(2, 3) == 5
    server.pause()
    for _ in range(3):
        loop = asyncio.new_event_loop()
        call = loop.create_task(client.call_async(1, 0))
        loop.run_until_complete(until(lambda: bool(sc.inspect(name).calls)))
        loop.close()
        del loop, call
        gc.collect()
        assert eventually(lambda: sc.inspect(name).calls == ())
    server.go_on()
    assert client.call(0, 5) == 5


def test_a_descriptor_that_the_program_has_given_to_another_file(name: str, tmp_path: Path) -> None:
    """Nothing is written there, and calls end nevertheless."""

    async def main() -> None:
        assert await client.call_async(1) == 1
        descriptor = Completions.of(asyncio.get_running_loop())._queue.fileno()
        if descriptor < 0:
            pytest.skip("loops have no descriptors here")
        with open(tmp_path / "own", "wb") as own:
            os.dup2(own.fileno(), descriptor)
            try:
                assert await asyncio.wait_for(client.call_async(2), 60) == 2
                with pytest.raises(sc.TimedOut):
                    await asyncio.wait_for(client.call_async(60_000, timeout=0.1), 60)
                assert os.fstat(own.fileno()).st_size == 0
            finally:
                os.close(descriptor)

    def answer(n: int) -> int:
        context = sc.current_call()
        while n == 60_000 and not context.cancelled():
            time.sleep(0.01)
        time.sleep(0.01)  # so that the loop is told of the end
        return n

    with sc.Server(name, answer, request="i32", reply="i32"):
        client = sc.Client(name, timeout=60)
        asyncio.run(main())


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_forked_child_takes_no_wake_up(name: str) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def answer(n: int) -> int:
        begun.set()
        assert may_end.wait(60)
        return n

    async def main() -> None:
        completions = Completions.of(asyncio.get_running_loop())
        completions.glance_interval = 3600.0
        call = asyncio.ensure_future(client.call_async(1))
        await asyncio.sleep(0)
        assert begun.wait(60)
        may_end.set()
        readable, _, _ = select.select([completions._queue], [], [], 60)  # the answer is there, and nobody looks
        assert readable
        child = os.fork()
        if child == 0:
            completions._queue.drain()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert await asyncio.wait_for(call, 60) == 1
        assert await asyncio.wait_for(client.call_async(2), 60) == 2

    if not Completions.uses_descriptors:
        return  # there is nothing to take
    with sc.Server(name, answer, request="i32", reply="i32"):
        client = sc.Client(name, timeout=60)
        assert client.request == "i32"
        asyncio.run(main())


FORGOTTEN = """
import asyncio, gc, sys, shared_channel as sc
from shared_channel._async import Completions
Completions.uses_descriptors = sys.argv[2] == "True"
name = sys.argv[1]
client = sc.Client(name, timeout=600)
async def begin():
    tasks = [asyncio.ensure_future(client.call_async(60_000, 0)) for _ in range(3)]
    while not sc.inspect(name).is_slot_awaited:
        await asyncio.sleep(0.001)
    return tasks
loop = asyncio.new_event_loop()
tasks = loop.run_until_complete(begin())
loop.close()
"""


def ends_well(program: str, name: str, run_python: Any) -> None:
    ended = run_python(FORGOTTEN + program, name, str(Completions.uses_descriptors))
    try:
        out, err = ended.communicate(timeout=60)
    finally:
        ended.kill()
    assert (out, ended.returncode) == ("over\n", 0), err


def test_a_loop_that_is_forgotten_with_a_call_that_queues(peers: Peers, name: str, run_python: Any) -> None:
    """The thread that queues for it gives up, while the program goes on."""
    server = peers.serve("slow", name)
    program = """
import threading
del loop, tasks
gc.collect()
while any(one.name == "shared_channel" for one in threading.enumerate()):
    pass
assert not sc.inspect(name).is_slot_awaited
print("over", flush=True)
"""
    ends_well(program, name, run_python)
    server.kill()


def test_a_loop_that_is_closed_with_a_call_that_queues(peers: Peers, name: str, run_python: Any) -> None:
    """The program ends nevertheless, though it has kept the loop and its tasks."""
    server = peers.serve("slow", name)
    ends_well('print("over", flush=True)', name, run_python)
    server.kill()
