"""Python's clients and C++ servers."""

import asyncio
import contextlib
import dataclasses
import gc
import os
import subprocess
import threading
import time
from typing import Any, Callable, NamedTuple, Optional, Union

import pytest
from conftest import Peers, eventually
from systems import interrupt, needs_fork, np

import shared_channel as sc
from shared_channel import _client


class Numbers(NamedTuple):
    a: int
    b: int


@dataclasses.dataclass
class Tree:
    name: str
    children: list["Tree"]


ALBUM = (
    "Kind of Blue",
    [("So What", 9.4), ("Blue in Green", 5.6)],
    1959,
    sc.Alternative(1, (1, 2)),
    (5, [1.5, 2.5]),
    ("root", [("leaf", [])]),
    [(1, 2), (3, 4)],
    sc.Some(None),
)


class TestMessages:
    """Nothing is declared: the server says what it takes."""

    def test_a_sum(self, peers: Peers, name: str) -> None:
        peers.serve("add", name)
        adder = sc.Client(name)
        assert adder.call(2, 3) == 5
        assert adder.call((2, 3)) == 5
        assert adder.call(Numbers(2, 3)) == 5
        assert (adder.request, adder.reply) == ("{i32 i32}", "{i32}")

    @pytest.mark.parametrize(
        "kind, value",
        [
            ("point", ("k", 1.5, [1, 2, 3], True, "name", -5, 0.25, [(1, 2), (3, 4)])),
            ("album", ALBUM),
            ("tree", ("a", [("b", []), ("c", [("d", [])])])),
            ("odd", (["a", "b"], [True, False], [[1.0], []], [[1, 2], [3, 4]])),
            ("named", (1.5, 2.5)),
            ("number", 1.5),
            ("text", "é"),
            ("secret", b"abcd"),
        ],
    )
    def test_every_kind_of_type_comes_back(self, peers: Peers, name: str, kind: str, value: Any) -> None:
        peers.serve(kind, name)
        assert sc.Client(name).call(value) == value

    def test_bytes(self, peers: Peers, name: str) -> None:
        peers.serve("bytes", name)
        client = sc.Client(name)
        assert client.call(b"abc") == b"cba"
        assert client.call(np.arange(3, dtype=np.uint8)) == b"\2\1\0"
        assert client.call_bytes(b"") == b""
        assert client.call(bytes(64 * 1024)) == bytes(64 * 1024)
        with pytest.raises(sc.MessageTooLarge) as raised:
            client.call(bytes(64 * 1024 + 1))
        assert raised.value.not_executed

    def test_replies_become_instances(self, peers: Peers, name: str) -> None:
        peers.serve("tree", name)
        tree = sc.Client(name).call(Tree("a", [Tree("b", [])]), reply_type=Tree)
        assert tree == Tree("a", [Tree("b", [])])

    def test_replies_become_instances_inside_too(self, peers: Peers, name: str) -> None:
        class Album(NamedTuple):
            title: str
            tracks: dict[str, float]
            year: Optional[int]
            cover: Union[str, Numbers, bytes]
            rating: tuple[int, list[float]]
            tree: Tree
            numbers: tuple[Numbers, ...]
            maybe: Any

        Album.__annotations__ = {
            "title": str,
            "tracks": dict[str, float],
            "year": Optional[int],
            "cover": Union[str, Numbers, bytes],
            "rating": tuple[int, list[float]],
            "tree": Tree,
            "numbers": tuple[Numbers, ...],
            "maybe": Any,
        }
        peers.serve("album", name)
        album = sc.Client(name).call(*ALBUM, reply_type=Album)
        assert album.tracks == {"So What": 9.4, "Blue in Green": 5.6}
        assert album.cover == Numbers(1, 2) and type(album.cover) is Numbers
        assert album.numbers == (Numbers(1, 2), Numbers(3, 4)) and type(album.numbers[0]) is Numbers
        assert album.tree == Tree("root", [Tree("leaf", [])])
        with pytest.raises(TypeError):
            sc.Client(name).call(*ALBUM, reply_type=Numbers)

    def test_values_that_do_not_fit(self, peers: Peers, name: str) -> None:
        peers.serve("add", name)
        adder = sc.Client(name)
        for values in [(), (1,), (1, 2, 3), ("a", 2), (1 << 40, 2)]:
            with pytest.raises((TypeError, ValueError, OverflowError)):
                adder.call(*values)
        assert adder.call(2, 3) == 5


class TestFailures:
    def test_no_server(self, name: str) -> None:
        with pytest.raises(sc.NoServer):
            sc.Client(name).call(2, 3)
        began = time.monotonic()
        with pytest.raises(sc.NoServer):
            sc.Client(name, wait_for_server=True).call(2, 3, timeout=0.1)
        assert time.monotonic() - began >= 0.1

    def test_a_client_waits_for_its_server(self, peers: Peers, name: str) -> None:
        answers: list[Any] = []
        client = sc.Client(name, wait_for_server=True, timeout=60)
        thread = threading.Thread(target=lambda: answers.append(client.call(2, 3)))
        thread.start()
        peers.serve("add", name)
        thread.join()
        assert answers == [5]
        assert client.connected

    def test_a_killed_server_and_its_successor(self, peers: Peers, name: str) -> None:
        client = sc.Client(name)
        for _ in range(3):
            server = peers.serve("add", name)
            assert client.call(2, 3) == 5
            server.kill()
            with pytest.raises((sc.ServerDied, sc.NoServer)) as raised:
                client.call(2, 3)
            assert raised.value.not_executed
        peers.serve("add", name)
        assert client.call(2, 3) == 5

    def test_a_server_killed_while_it_answers(self, peers: Peers, name: str) -> None:
        server = peers.serve("slow", name)
        client = sc.Client(name, timeout=60)
        assert client.call(0, 1) == 1
        killer = threading.Thread(target=lambda: (_running(name), server.kill()))
        killer.start()
        with pytest.raises(sc.ServerDied) as raised:
            client.call(60_000, 1)
        killer.join()
        assert not raised.value.not_executed and isinstance(raised.value, ConnectionError)

    def test_a_successor_with_other_messages(self, peers: Peers, name: str) -> None:
        client = sc.Client(name)
        server = peers.serve("add", name)
        assert client.call(2, 3) == 5
        server.stop()
        server = peers.serve("multiply", name)
        assert client.call(2.5, "abcd") == 10
        server.kill()
        peers.serve("add", name)
        assert client.call(2, 3) == 5
        with pytest.raises((TypeError, ValueError)):
            client.call(2.5, "abcd")

    @pytest.mark.parametrize("is_async", [False, True])
    def test_the_deadline_of_a_call_that_goes_on_with_a_successor(
        self, peers: Peers, name: str, is_async: bool
    ) -> None:
        """What it has waited for the server before counts, also if the messages are others."""
        client = sc.Client(name, timeout=60, wait_for_server=True)
        first = peers.serve("add", name)
        assert client.call(2, 3) == 5
        first.pause()
        answers: list[Any] = []

        def ask() -> None:
            answers.append(asyncio.run(client.call_async(2, 3)) if is_async else client.call(2, 3))

        thread = threading.Thread(target=ask)
        thread.start()
        assert eventually(lambda: any(one.state == "queued" for one in sc.inspect(name).calls))
        time.sleep(0.3)
        first.kill()
        left = lambda a, b: sc.current_call().time_left()  # noqa: E731
        with sc.Server(name, left, request="{f32 f32}", reply="f64"):
            thread.join(60)
        assert len(answers) == 1 and 0 < answers[0] <= 60 - 0.3

    def test_bytes_are_for_the_messages_that_the_client_knows(self, peers: Peers, name: str) -> None:
        client = sc.Client(name, timeout=60)
        two_and_three = b"\2\0\0\0\3\0\0\0"
        server = peers.serve("add", name)
        assert client.call_bytes(two_and_three) == b"\5\0\0\0"
        assert client.request == "{i32 i32}"
        server.stop()
        with sc.Server(name, lambda a, b: a, request="{f32 f32}", reply="f32"):
            for _ in range(2):
                with pytest.raises(sc.LayoutMismatch, match="f32.*ask again what it takes") as raised:
                    client.call_bytes(bytes(8))
                assert raised.value.not_executed and not raised.value.passed_on
                draft = client.draft()
                with pytest.raises(sc.LayoutMismatch):
                    draft.send()
            assert client.request == "{f32 f32}"
            assert client.call_bytes(bytes(8)) == bytes(4)
            with client.draft() as draft, draft.send() as reply:
                assert len(reply) == 4

    def test_a_successor_while_a_thread_encodes(self, name: str) -> None:
        """What was made for the first server's messages does not reach the second, whatever other threads learn."""
        client = sc.Client(name, timeout=60)
        servers = [
            sc.Server(name, lambda a, b: a * b, request=f"{{{kind} {kind}}}", reply=kind) for kind in ("i32", "f32")
        ]

        class Changing:
            def __index__(self) -> int:
                if servers[0].running:
                    servers[0].stop()
                    servers[1].start()
                    _in_thread(lambda: client.call(1.5, 2.5))
                return 2

            def __float__(self) -> float:
                return 2.0

        with servers[0]:
            assert client.call(1, 2) == 2
            try:
                assert client.call(Changing(), 3) == 6
                assert client.call(0.5, 0.25) == 0.125
            finally:
                servers[1].stop()

    def test_a_successor_while_a_thread_learns(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        client = sc.Client(name, timeout=60)
        servers = [
            sc.Server(name, lambda a, b: a * b, request=f"{{{kind} {kind}}}", reply=kind) for kind in ("i32", "f32")
        ]
        message = _client.Message

        def changing(description: str) -> Any:
            if servers[0].running:
                servers[0].stop()
                servers[1].start()
                _in_thread(lambda: client.call(1.5, 2.5))
            return message(description)

        with servers[0]:
            monkeypatch.setattr(_client, "Message", changing)
            try:
                for _ in range(3):
                    assert client.call(2, 3) == 6
            finally:
                servers[1].stop()

    def test_values_that_do_not_fit_leave_no_link_behind(self, peers: Peers, name: str) -> None:
        peers.serve("add", name)
        client = sc.Client(name, timeout=60)
        assert client.call(2, 3) == 5
        for _ in range(3):
            with pytest.raises((TypeError, ValueError)):
                client.call("a", 3)
            assert client.request == "{i32 i32}"
        gc.collect()
        assert eventually(lambda: sc.inspect(name).clients == 1)

    def test_the_deadline(self, peers: Peers, name: str) -> None:
        peers.serve("slow", name)
        client = sc.Client(name)
        began = time.monotonic()
        with pytest.raises(sc.TimedOut) as raised:
            client.call(2000, 0, timeout=0.1)
        assert time.monotonic() - began >= 0.1
        assert isinstance(raised.value, TimeoutError) and not raised.value.not_executed
        assert client.call(0, 1, timeout=None) == 1

    def test_the_deadline_of_a_first_call(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """What it takes to find a server counts."""
        given: list[Any] = []

        class Native:
            def __init__(self, *_: Any) -> None:
                pass

            def connected(self) -> bool:
                return False

            def wait_for_server(self, timeout: float, stop: Any) -> None:
                given.append(timeout)
                time.sleep(0.2)

            def shape(self) -> Any:
                return ((4, 4, False, "i32"), (4, 4, False, "i32"))

            def call(self, request: bytes, timeout: Any, slot_wait: Any) -> bytes:
                given.append(timeout)
                if len(given) == 2:
                    mismatch = sc.LayoutMismatch("other messages")
                    mismatch.not_executed = True
                    mismatch._spent = 0.3
                    raise mismatch
                return request

            call_in_place = call

        monkeypatch.setattr(_client._native, "Client", Native)
        for ask in (sc.Client.call, sc.Client.call_in_place):
            given.clear()
            ask(sc.Client(name, timeout=60, wait_for_server=True), 5)
            assert given[0] == 60 and 0 <= given[1] <= 59.82
            assert given[2] == given[1] - 0.3 and 0 <= given[3] <= given[2] - 0.18  # clocks that tick each 16 ms
            given.clear()
            ask(sc.Client(name, timeout=0.1, wait_for_server=True), 5)
            assert given == [0.1, 0, 0, 0]
            given.clear()
            ask(sc.Client(name, timeout=None, wait_for_server=True), 5)
            assert given == [None] * 4

    def test_a_paused_server(self, peers: Peers, name: str) -> None:
        server = peers.serve("add", name)
        client = sc.Client(name)
        assert client.call(2, 3) == 5
        server.pause()
        with pytest.raises(sc.TimedOut) as raised:
            client.call(2, 3, timeout=0.1)
        assert raised.value.not_executed and raised.value.safe_to_retry
        server.go_on()
        assert client.call(2, 3, timeout=60) == 5

    def test_all_slots_occupied(self, peers: Peers, name: str) -> None:
        peers.serve("slow", name)
        client = sc.Client(name, timeout=60)
        client.call(0, 0)
        others = [threading.Thread(target=client.call, args=(3000, 0)) for _ in range(2)]
        for other in others:
            other.start()
        assert eventually(lambda: len(sc.inspect(name).calls) == 2)
        with pytest.raises(sc.Busy):
            client.call(0, 0, slot_wait=0)
        with pytest.raises(sc.Busy):
            client.call(0, 0, slot_wait=0.02)
        assert client.call(0, 7) == 7  # queues
        for other in others:
            other.join()

    def test_a_handler_that_throws(self, peers: Peers, name: str) -> None:
        peers.serve("throw", name)
        with pytest.raises(sc.HandlerFailed, match="this handler never works") as raised:
            sc.Client(name).call(2, 3)
        assert not raised.value.not_executed

    def test_an_error_that_is_passed_on_is_an_answer(self, peers: Peers, name: str) -> None:
        peers.serve("relay", name)
        with pytest.raises(sc.ServerDied, match="the next one died") as raised:
            sc.Client(name).call(2, 3)
        assert raised.value.not_executed
        assert sc.inspect(name).calls_so_far == 1  # and not asked for again

    def test_times_that_are_none(self, peers: Peers, name: str) -> None:
        peers.serve("add", name)
        client = sc.Client(name)
        assert client.call(2, 3, timeout=1e300) == 5
        with pytest.raises(ValueError):
            client.call(2, 3, timeout=float("nan"))
        with pytest.raises(TypeError):
            client.call(2, 3, timeout="soon")  # type: ignore[call-overload]


def _in_thread(work: Callable[[], Any]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def _running(name: str) -> bool:
    return eventually(lambda: any(call.state == "running" for call in sc.inspect(name).calls))


class TestLifetimes:
    def test_a_closed_client_is_an_error(self, peers: Peers, name: str) -> None:
        peers.serve("add", name)
        with sc.Client(name) as client:
            assert client.call(2, 3) == 5
        assert client.closed
        for use in (lambda: client.call(2, 3), lambda: client.wait_for_server(0), lambda: client.call_in_place(2, 3)):
            with pytest.raises(ValueError, match="closed"):
                use()
        client.close()
        assert not client.connected

    def test_close_while_others_call(self, peers: Peers, name: str) -> None:
        peers.serve("slow", name)
        for _ in range(20):
            client = sc.Client(name, timeout=60)
            client.call(0, 0)
            ends: list[Any] = []

            def call() -> None:
                try:
                    while True:
                        client.call(1, 1)
                except ValueError as error:
                    ends.append(error)

            threads = [threading.Thread(target=call) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(0.01)
            client.close()
            for thread in threads:
                thread.join()
            assert len(ends) == 4

    def test_many_threads(self, peers: Peers, name: str) -> None:
        peers.serve("add", name)
        client = sc.Client(name, timeout=60)
        wrong: list[Any] = []

        def call(first: int) -> None:
            for n in range(300):
                if client.call(first, n) != first + n:
                    wrong.append((first, n))

        threads = [threading.Thread(target=call, args=(1000 * n,)) for n in range(20)]  # more than there are slots
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

    @needs_fork
    def test_fork_is_noticed(self, peers: Peers, name: str) -> None:
        peers.serve("add", name)
        client = sc.Client(name)
        assert client.call(2, 3) == 5
        child = os.fork()
        if child == 0:
            status = 1
            try:
                client.call(2, 3)
            except sc.Forked as error:
                fresh = sc.Client(name, timeout=60)
                status = 0 if "fork" in str(error) and fresh.call(2, 3) == 5 else 2
            finally:
                client.close()
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert client.call(2, 3) == 5


class TestInterruption:
    """Ctrl-C ends a wait, which looks every 30 or 50 ms, and the request is withdrawn."""

    SOON = 0.15  # seconds, at best: the machine may have other things to do
    LATEST = 5  # where the call would wait for 60
    ATTEMPTS = 8

    PROGRAM = """
import sys, time, shared_channel as sc
name, values, options = sys.argv[1], eval(sys.argv[2]), eval(sys.argv[3])
client = sc.Client(name, **options)
print("calling", flush=True)
try:
    client.call(*values, timeout=60)
except KeyboardInterrupt:
    print(time.perf_counter(), flush=True)  # which all processes share
"""

    def interrupt(self, run: Callable[..., Any], begun: Callable[[], bool], *arguments: str) -> float:
        """Seconds from the signal to the exception."""
        program = run(self.PROGRAM, *arguments)
        assert program.stdout.readline() == "calling\n"
        assert begun()
        sent = time.perf_counter()
        interrupt(program)
        out, err = program.communicate(timeout=60)
        assert out, err
        return float(out) - sent

    def soon(self, attempt: Callable[[], float]) -> bool:
        """Whether the best of some attempts is, and each ends early."""
        for _ in range(self.ATTEMPTS):
            taken = attempt()
            assert taken < self.LATEST
            if taken < self.SOON:
                return True
        return False

    def test_while_the_handler_runs(self, peers: Peers, name: str, run_python: Any) -> None:
        def attempt() -> float:
            server = peers.serve("slow", name)
            taken = self.interrupt(run_python, lambda: _running(name), name, "(60_000, 1)", "{}")
            assert eventually(lambda: any(call.state == "abandoned" for call in sc.inspect(name).calls))
            server.kill()
            return taken

        assert self.soon(attempt)

    def test_while_it_waits_for_a_server(self, name: str, run_python: Any) -> None:
        arguments = (run_python, lambda: time.sleep(0.3) is None, name, "(1, 1)", "{'wait_for_server': True}")
        assert self.soon(lambda: self.interrupt(*arguments))

    def test_while_the_server_is_paused(self, peers: Peers, name: str, run_python: Any) -> None:
        server = peers.serve("add", name)
        server.pause()
        queued = lambda: eventually(lambda: any(call.state == "queued" for call in sc.inspect(name).calls))

        def attempt() -> float:
            taken = self.interrupt(run_python, queued, name, "(1, 1)", "{}")
            assert sc.inspect(name).calls == ()  # withdrawn
            return taken

        assert self.soon(attempt)
        server.go_on()
        assert sc.Client(name, timeout=60).call(2, 3) == 5
        assert eventually(lambda: sc.inspect(name).stats.done == 1)  # none of the others ran

    def test_while_it_queues_for_a_slot(self, peers: Peers, name: str, run_python: Any) -> None:
        def occupy() -> None:
            with contextlib.suppress(sc.ChannelError):
                sc.Client(name, timeout=60).call(60_000, 0)

        def attempt() -> float:
            server = peers.serve("slow", name)
            others = [threading.Thread(target=occupy) for _ in range(2)]
            for other in others:
                other.start()
            assert eventually(lambda: len(sc.inspect(name).calls) == 2)
            awaited = lambda: eventually(lambda: sc.inspect(name).is_slot_awaited)
            taken = self.interrupt(run_python, awaited, name, "(1, 1)", "{}")
            server.kill()
            for other in others:
                other.join()
            return taken

        assert self.soon(attempt)

    def test_others_run_meanwhile(self, peers: Peers, name: str) -> None:
        peers.serve("slow", name)
        client = sc.Client(name, timeout=60)
        counted = 0
        over = threading.Event()

        def count() -> None:
            nonlocal counted
            while not over.is_set():
                counted += 1

        thread = threading.Thread(target=count)
        thread.start()
        before = counted
        client.call(100, 0)
        after = counted
        over.set()
        thread.join()
        assert after > before


def test_subinterpreters_are_refused() -> None:
    interpreters = pytest.importorskip("_xxsubinterpreters")
    other = interpreters.create()
    try:
        with pytest.raises(Exception, match="sub-interpreters"):
            interpreters.run_string(other, "import sys\nsys.path = %r\nimport shared_channel" % __import__("sys").path)
    finally:
        interpreters.destroy(other)
