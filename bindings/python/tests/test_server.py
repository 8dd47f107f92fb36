"""Python's servers, and clients in C++ and Python."""

import contextlib
import dataclasses
import functools
import gc
import glob
import os
import subprocess
import threading
import time
from typing import Any, Callable, NamedTuple, Optional, Union

import pytest
from conftest import Peers, eventually, is_there
from systems import IS_WINDOWS, interrupt, is_this_user, needs_files, needs_fork, needs_sigterm, np, on_windows

import shared_channel as sc


def has_running_call(name: str) -> bool:
    return any(call.state == "running" for call in sc.inspect(name).calls)


class Numbers(NamedTuple):
    a: sc.i32
    b: sc.i32


@dataclasses.dataclass
class Sum:
    value: sc.i32


@dataclasses.dataclass
class Shape:
    schema = "geometry/2"
    width: sc.f32
    height: sc.f32


def echo(message: bytes) -> bytes:
    return message


def test_other_threads_run_while_the_memory_is_made(name: str) -> None:
    ticks = 0
    is_over = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not is_over.wait(0.0005):
            ticks += 1

    beside = threading.Thread(target=tick)
    beside.start()
    try:
        before = ticks
        with sc.Server(name, echo, max_request_bytes=16 << 20):  # a quarter of a GiB, which takes tens of milliseconds
            assert ticks - before >= 5
    finally:
        is_over.set()
        beside.join()


class TestDeclarations:
    def test_by_description(self, peers: Peers, name: str) -> None:
        @sc.serve(name, "{i32 i32}", "{i32}")
        def add(a: int, b: int) -> int:
            return a + b

        assert add(2, 3) == 5  # is still a function
        with add:
            assert peers.ask("add", name) == "5"
            assert sc.Client(name, timeout=60).call(2, 3) == 5
        assert peers.ask("add", name).startswith("no_server")

    def test_by_annotations(self, peers: Peers, name: str) -> None:
        @sc.serve(name)
        def add(numbers: Numbers) -> Sum:
            assert type(numbers) is Numbers
            return Sum(numbers.a + numbers.b)

        with add:
            assert peers.ask("add", name) == "5"

    def test_several_parameters_are_a_struct(self, name: str) -> None:
        @sc.serve(name)
        def add(a: sc.i32, b: sc.i32, more: int = 0) -> sc.i32:
            return a + b + more

        assert (add.request, add.reply) == ("{i32 i32}", "i32")
        with add:
            assert sc.Client(name, timeout=60).call(2, 3) == 5

    def test_everything_that_python_has(self, name: str) -> None:
        @sc.serve(name)
        def same(
            number: int,
            text: str,
            maybe: Optional[float],
            choice: Union[int, str],
            names: list[str],
            table: dict[str, list[float]],
            data: bytes,
            shape: Shape,
            pair: tuple[bool, tuple[int, ...]],
        ) -> tuple[str, int]:
            seen = (number, text, maybe, choice, names, table, data, shape, pair)
            return repr(seen), len(seen)

        with same:
            values = (1, "é", None, "x", ["a"], {"k": [1.5]}, b"\0", Shape(1.5, 2.5), (True, (1, 2)))
            assert sc.Client(name, timeout=60).call(*values) == (repr(values), 9)
        assert same.request == (
            "{i64 string optional<f64> variant<i64 string> vector<string> vector<(string vector<f64>)> "
            "vector<u8> {f32 f32}#geometry/2 (bool vector<i64>)}"
        )

    def test_optional_numbers_travel_as_a_tuple(self, name: str) -> None:
        @sc.serve(name)
        def either(a: Optional[int], b: Optional[float]) -> Optional[float]:
            return a if b is None else b

        assert either.request == "(optional<i64> optional<f64>)"
        with either:
            client = sc.Client(name, timeout=60)
            assert client.call(None, 2.5) == 2.5 and client.call(7, None) == 7 and client.call(None, None) is None

    def test_types_that_are_declared(self, peers: Peers, name: str) -> None:
        with sc.Server(name, lambda numbers: numbers.a * numbers.b, request=Numbers, reply="{i32}"):
            assert peers.ask("add", name) == "6"

    @pytest.mark.parametrize("kind, answer", [("text", "olleh"), ("bytes", "cba")])
    def test_text_and_bytes(self, peers: Peers, name: str, kind: str, answer: str) -> None:
        message = "string" if kind == "text" else "bytes"
        with sc.Server(name, lambda given: given[::-1], request=message, reply=message):
            assert peers.ask(kind, name) == answer

    def test_a_rich_message(self, peers: Peers, name: str) -> None:
        peers.serve("album", name + "-first")
        description = sc.Client(name + "-first").request
        with sc.Server(name, lambda *album: album, request=description, reply=description):
            assert peers.ask("album", name) == "same"

    def test_arrays(self, name: str) -> None:
        @sc.serve(name, "bytes", "bytes", max_request_bytes=1 << 20, max_reply_bytes=1 << 20)
        def doubled(data: bytes) -> Any:
            return np.frombuffer(data, np.float32) * 2

        with doubled:
            client = sc.Client(name, timeout=60)
            with client.call_in_place(np.arange(1 << 18, dtype=np.float32)) as reply:
                array = np.frombuffer(reply, np.float32)
                assert array[-1] == 2 * ((1 << 18) - 1)
                del array

    @pytest.mark.parametrize(
        "options",
        [
            {"max_calls": (1 << 32) + 16},
            {"max_calls": -1},
            {"threads": (1 << 32) + 1},
            {"max_request_bytes": (1 << 32) + 1024},
            {"max_reply_bytes": 1 << 64},
            {"access": (1 << 32) + 0o600},
            {"access": ((1 << 32) + 0o600, -1)},
        ],
    )
    def test_numbers_that_are_too_large(self, name: str, options: Any) -> None:
        with pytest.raises(OverflowError, match="4294967295"):
            sc.Server(name, lambda data: data, request="bytes", reply="bytes", **options).start()

    def test_a_mode_is_taken_as_it_is(self, name: str) -> None:
        for access in (0o10600, (0o10600, -1)):
            with pytest.raises(sc.InvalidArgument):
                sc.Server(name, lambda n: n, request="i32", reply="i32", access=access).start()
        with sc.Server(name, lambda n: n, request="i32", reply="i32", access=np.int64(0o600), max_calls=np.int32(4)):
            assert sc.Client(name, timeout=60).call(5) == 5

    @on_windows
    def test_users_of_windows(self, name: str) -> None:
        for access in ("everyone", "D:P(A;;GA;;;WD)"):
            with sc.Server(name, lambda n: n, request="i32", reply="i32", access=access):
                assert ";;;WD)" in sc.inspect(name).access
                for user in (None, "any", sc.inspect(name).user):
                    with sc.Client(name, timeout=60, server_user=user) as client:
                        assert client.call(5) == 5
                with pytest.raises(sc.NotOwner):
                    sc.Client(name, server_user="S-1-5-18").call(5)
        for wrong in ("no SDDL", 0o600):
            with pytest.raises(sc.InvalidArgument):
                sc.Server(name, lambda n: n, request="i32", reply="i32", access=wrong).start()  # type: ignore[arg-type]

    def test_declarations_that_are_none(self, name: str) -> None:
        def bare(a, b):  # type: ignore[no-untyped-def]
            return a + b

        def nothing() -> int:
            return 1

        def strange(a: complex) -> int:
            return 1

        for handler in (bare, nothing, strange):
            with pytest.raises(TypeError):
                sc.Server(name, handler)

        async def late(a: int) -> int:
            return a

        class Late:
            async def __call__(self, a: int) -> int:
                return a

        for asynchronous in (late, functools.partial(late), Late()):
            with pytest.raises(TypeError, match="async"):
                sc.Server(name, asynchronous, request="i32", reply="i32")
        with pytest.raises(sc.DescriptionError):
            sc.Server(name, bare, request="{i33}", reply="i32")


class TestFailures:
    def test_exceptions_become_text(self, peers: Peers, name: str, caplog: Any) -> None:
        @sc.serve(name, "{i32 i32}", "{i32}")
        def fail(a: int, b: int) -> int:
            return a // 0

        with fail:
            answer = peers.ask("add", name)
            assert answer.startswith("handler_failed not_executed=0") and "ZeroDivisionError" in answer
            with pytest.raises(sc.HandlerFailed, match="ZeroDivisionError: integer division"):
                sc.Client(name, timeout=60).call(2, 3)
            assert fail.stats().failed == 2
        assert "ZeroDivisionError" in caplog.text and "return a // 0" in caplog.text

    @pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), Exception("\udcff" * 1000), Exception()])
    def test_nothing_ends_the_server(self, name: str, raised: BaseException, caplog: Any) -> None:
        @sc.serve(name, "i32", "i32")
        def handler(a: int) -> int:
            if a == 0:
                raise raised
            return a

        with handler:
            client = sc.Client(name, timeout=60)
            with pytest.raises(sc.HandlerFailed, match=type(raised).__name__):
                client.call(0)
            assert client.call(5) == 5

    def test_answers_of_another_type(self, name: str, caplog: Any) -> None:
        answers: list[Any] = ["a", None, 1 << 40, 2.5, [1]]
        with sc.Server(name, lambda n: answers[n], request="i32", reply="i32"):
            client = sc.Client(name, timeout=60)
            for n in range(len(answers)):
                with pytest.raises(sc.HandlerFailed):
                    client.call(n)

    def test_an_answer_that_is_too_large(self, name: str) -> None:
        with sc.Server(name, lambda n: bytes(n), request="i32", reply="bytes", max_reply_bytes=100):
            client = sc.Client(name, timeout=60)
            assert client.call(100) == bytes(100)
            with pytest.raises(sc.MessageTooLarge) as raised:
                client.call(101)
            assert not raised.value.not_executed

    def test_a_request_that_is_none(self, name: str) -> None:
        seen: list[Any] = []
        with sc.Server(name, seen.append, request="vector<string>", reply="i32"):
            with pytest.raises(sc.Corrupt) as raised:
                sc.Client(name, timeout=60).call_bytes(b"\5\0\0\0a")
            assert raised.value.not_executed and seen == []

    def test_an_error_of_the_handlers_own_is_passed_on(self, peers: Peers, name: str) -> None:
        @sc.serve(name, "{i32 i32}", "{i32}")
        def refuse(a: int, b: int) -> int:
            raise sc.Busy("too much to do", not_executed=b == 3)

        with refuse:
            answer = peers.ask("add", name)
            assert answer.startswith("busy not_executed=1") and "too much to do" in answer
            with pytest.raises(sc.Busy, match="too much to do") as raised:
                sc.Client(name, timeout=60).call(2, 4)
            assert not raised.value.not_executed

    @pytest.mark.parametrize("is_meant", [False, True])
    def test_an_error_of_another_channel(self, name: str, is_meant: bool) -> None:
        """That nobody executed the next one's request does not say what we did before: only relay() promises that."""
        further = sc.Client(name + "-further")

        def pass_on(a: int) -> Any:
            try:
                return further.call(a)
            except sc.NoServer as error:
                raise (error.relay() if is_meant else error)

        with sc.Server(name, pass_on, request="i32", reply="i32"):
            with pytest.raises(sc.NoServer, match="further") as raised:
                sc.Client(name, timeout=60).call(1)
            assert raised.value.not_executed == is_meant

    def test_a_handler_that_calls_itself(self, name: str) -> None:
        client = sc.Client(name, timeout=60)
        with sc.Server(name, client.call, request="i32", reply="i32"):
            with pytest.raises(sc.WouldDeadlock):
                client.call(1)


class TestLifetimes:
    def test_a_name_has_one_server(self, name: str) -> None:
        with sc.Server(name, lambda n: n, request="i32", reply="i32") as server:
            with pytest.raises(sc.NameInUse):
                sc.Server(name, lambda n: n, request="i32", reply="i32").start()
            with pytest.raises(sc.InvalidArgument):
                server.start()
            assert sc.Client(name, timeout=60).call(5) == 5

    def test_again_and_again(self, name: str) -> None:
        server = sc.Server(name, lambda n: n, request="i32", reply="i32")
        client = sc.Client(name, timeout=60)
        for n in range(10):
            with server:
                assert server.running and client.call(n) == n
            assert not server.running
        server.stop()
        with pytest.raises(ValueError):
            server.stats()

    def test_a_forgotten_server_answers(self, name: str) -> None:
        sc.Server(name, lambda n: n, request="i32", reply="i32").start()
        gc.collect()
        client = sc.Client(name, timeout=60)
        assert client.call(5) == 5
        [server] = [one for one in gc.get_objects() if isinstance(one, sc.Server) and one.name == name]
        server.stop()

    def test_stop_waits_for_handlers(self, name: str) -> None:
        begun = threading.Event()

        def slow(n: int) -> int:
            begun.set()
            time.sleep(0.2)
            return n

        answers: list[Any] = []
        server = sc.Server(name, slow, request="i32", reply="i32").start()
        client = sc.Client(name, timeout=60)
        thread = threading.Thread(target=lambda: answers.append(client.call(5)))
        thread.start()
        assert begun.wait(60)
        server.stop()
        thread.join()
        assert answers == [5]

    def test_a_second_stop_waits_as_well(self, name: str) -> None:
        begun, may_end, has_ended = threading.Event(), threading.Event(), threading.Event()

        def slow(n: int) -> int:
            begun.set()
            assert may_end.wait(60)
            has_ended.set()
            return n

        server = sc.Server(name, slow, request="i32", reply="i32").start()
        seen: list[bool] = []

        def stop() -> None:
            server.stop()
            seen.append(has_ended.is_set())

        client = sc.Client(name, timeout=60)
        threads = [threading.Thread(target=work) for work in (lambda: client.call(5), stop, stop)]
        threads[0].start()
        assert begun.wait(60)
        threads[1].start()
        assert eventually(lambda: not server.running)
        threads[2].start()
        time.sleep(0.1)  # for it to return, if it does
        may_end.set()
        for thread in threads:
            thread.join(60)
        assert seen == [True, True]
        with server:  # its name is free
            assert client.call(6) == 6

    def test_stats_while_it_is_stopped(self, run_python: Any, name: str) -> None:
        """Whoever lets go of the server last does so without Python's lock, which its threads need to end."""
        program = """
import sys, threading, time, shared_channel as sc
server = sc.Server(sys.argv[1], lambda n: n, request="i32", reply="i32")
is_over = False
def work():
    while not is_over:
        sum(range(1000))
def look():
    while not is_over:
        try:
            server.stats()
        except ValueError:
            time.sleep(0)
for one in (work, work, look, look):
    threading.Thread(target=one, daemon=True).start()
client = sc.Client(sys.argv[1], timeout=60, wait_for_server=True)
end = time.monotonic() + 5
while time.monotonic() < end:
    server.start()  # its name is free
    assert client.call(1) == 1
    server.stop()
is_over = True
print("over", flush=True)
"""
        process = run_python(program, name)
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        assert out == "over\n", err

    def test_what_a_thread_keeps_for_itself_goes_with_it(self, name: str) -> None:
        """And is ended by then, in a thread that Python knows."""
        own, ended = threading.local(), []

        class Kept:
            def __del__(self) -> None:
                ended.append(threading.get_ident())

        def keep(n: int) -> int:
            own.kept = Kept()
            return n

        for threads in (1, 3):
            with sc.Server(name, keep, request="i32", reply="i32", threads=threads):
                client = sc.Client(name, timeout=60)
                assert client.call(5) == 5 and ended == []
            assert len(ended) == 1
            ended.clear()

    def test_a_handler_that_stops_its_server(self, name: str) -> None:
        server: sc.Server

        def last(n: int) -> int:
            server.stop()
            return n

        server = sc.Server(name, last, request="i32", reply="i32").start()
        client = sc.Client(name, timeout=60)
        try:
            assert client.call(5) == 5
        except (sc.ServerStopped, sc.ServerDied):
            pass
        with pytest.raises(sc.NoServer):
            client.call(5)

    def test_threads_that_start_and_stop_it(self, name: str) -> None:
        server = sc.Server(name, lambda n: n, request="i32", reply="i32")
        client = sc.Client(name, timeout=60)
        for n in range(20):
            for work in (server.start, lambda: client.call(n), server.stop, gc.collect):
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()

    def test_stop_while_it_starts(self, name: str) -> None:
        begun, may_go_on = threading.Event(), threading.Event()

        class Slow:
            """One whose start() takes its time."""

            def __init__(self, native: Any) -> None:
                self._native = native

            def __getattr__(self, name: str) -> Any:
                return getattr(self._native, name)

            def start(self, handler: Any) -> None:
                begun.set()
                assert may_go_on.wait(60)
                self._native.start(handler)

        server = sc.Server(name, lambda n: n, request="i32", reply="i32")
        make = server._make
        server._make = lambda *shapes: Slow(make(*shapes))  # type: ignore[assignment,misc]
        for work in (server.start, server.run):
            failed: list[BaseException] = []

            def do() -> None:
                try:
                    work()
                except BaseException as error:
                    failed.append(error)

            begun.clear()
            may_go_on.clear()
            thread = threading.Thread(target=do, daemon=True)
            thread.start()
            try:
                assert begun.wait(60)
                server.stop()
                may_go_on.set()
                thread.join(60)
                assert not thread.is_alive() and not server.running and failed == []
                with pytest.raises(sc.NoServer):
                    sc.Client(name).call(5)
            finally:
                server.stop()
        server._make = make
        with server:
            assert sc.Client(name, timeout=60).call(5) == 5

    def test_a_start_that_fails(self, name: str) -> None:
        class Failing:
            closed = False

            def start(self, handler: Any) -> None:
                raise sc.OutOfMemory("no memory for a thread")

            def close(self) -> None:
                self.closed = True

        server, native = sc.Server(name, lambda n: n, request="i32", reply="i32"), Failing()
        make, server._make = server._make, lambda *_: native  # type: ignore[assignment,return-value]
        with pytest.raises(sc.OutOfMemory):
            server.start()
        assert not server.running and native.closed
        server._make = make
        with server:
            assert sc.Client(name, timeout=60).call(5) == 5

    def test_run_ends_by_stop(self, name: str) -> None:
        server = sc.Server(name, lambda n: n, request="i32", reply="i32")
        for n in range(5):
            thread = threading.Thread(target=server.run)
            thread.start()
            client = sc.Client(name, timeout=60, wait_for_server=True)
            assert client.call(n) == n
            server.stop()
            thread.join(60)
            assert not thread.is_alive() and not server.running

    def test_the_end_of_one_run_does_not_end_the_next(self, name: str) -> None:
        """Nor does whoever learns late of the first one's end."""
        looks, may_look = threading.Event(), threading.Event()

        class Late:
            """One whose wait() returns late."""

            def __init__(self, native: Any) -> None:
                self._native = native

            def __getattr__(self, name: str) -> Any:
                return getattr(self._native, name)

            def wait(self) -> None:
                try:
                    self._native.wait()  # or it is closed already
                finally:
                    looks.set()
                    assert may_look.wait(60)

        server = sc.Server(name, lambda n: n, request="i32", reply="i32")
        make = server._make
        server._make = lambda *shapes: Late(make(*shapes))  # type: ignore[assignment,misc]
        client = sc.Client(name, timeout=60, wait_for_server=True)
        threads = [threading.Thread(target=server.run, daemon=True) for _ in range(2)]
        try:
            threads[0].start()
            assert client.call(1) == 1
            server.stop()
            assert looks.wait(60)
            server._make = make
            threads[1].start()
            assert client.call(2) == 2
            may_look.set()
            threads[0].join(60)
            threads[1].join(0.2)  # if it is to end wrongly
            assert not threads[0].is_alive() and threads[1].is_alive() and server.running
            assert client.call(3) == 3
        finally:
            may_look.set()
            server.stop()
            threads[1].join(60)
        assert not threads[1].is_alive()

    @needs_files
    def test_run_tells_that_it_has_ended_by_itself(self, name: str) -> None:
        ends: list[BaseException] = []

        def run() -> None:
            try:
                sc.Server(name, lambda n: n, request="i32", reply="i32").run()
            except sc.ServerStopped as error:
                ends.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        sc.Client(name).wait_for_server(60)
        for _ in range(600):  # it mends what it can: the name alone, or the memory alone
            for file in glob.glob(f"/dev/shm/shared_channel.{name}*"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(file)
            thread.join(0.1)
            if not thread.is_alive():
                break
        assert len(ends) == 1 and name in str(ends[0])

    def test_several_threads(self, name: str) -> None:
        together = threading.Barrier(3)
        meet = lambda n: together.wait(60) * 0 + n
        with sc.Server(name, meet, request="i32", reply="i32", threads=3) as server:
            client = sc.Client(name, timeout=60)
            answers: list[Any] = []
            threads = [threading.Thread(target=lambda n=n: answers.append(client.call(n))) for n in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(answers) == [0, 1, 2]
            assert server.stats().done == 3

    def test_the_call_that_is_answered(self, name: str) -> None:
        kept: list[sc.CallContext] = []

        def look(n: int) -> float:
            call = sc.current_call()
            kept.append(call)
            process, user = call.caller()
            left = call.time_left()
            assert process == os.getpid() and is_this_user(user) and not call.cancelled()
            return -1.0 if left is None else left

        with sc.Server(name, look, request="i32", reply="f64"):
            client = sc.Client(name)
            assert 0 < client.call(1, timeout=60) <= 60
            assert client.call(1, timeout=None) == -1
        assert kept[0].cancelled()
        with pytest.raises(RuntimeError):
            sc.current_call()

    def test_a_handler_learns_that_nobody_waits(self, name: str) -> None:
        noticed = threading.Event()

        def wait(n: int) -> int:
            call = sc.current_call()
            if eventually(call.cancelled):
                noticed.set()
            return n

        with sc.Server(name, wait, request="i32", reply="i32"):
            with pytest.raises(sc.TimedOut):
                sc.Client(name).call(1, timeout=0.05)
            assert noticed.wait(60)

    @needs_fork
    def test_a_childs_copy_is_inert(self, name: str) -> None:
        with sc.Server(name, lambda n: n + os.getpid() * 0, request="i32", reply="i32") as server:
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    server.stop()
                    gc.collect()
                    status = 0 if sc.Client(name, timeout=60).call(5) == 5 and not server.running else 2
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
            assert sc.Client(name, timeout=60).call(6) == 6


class TestPrograms:
    SERVER = """
import sys, time, shared_channel as sc
@sc.serve(sys.argv[1], "{i32 i32}", "{i32}")
def add(a, b):
    if a == 1000: time.sleep(0.5)
    return a + b
print("ready", flush=True)
add.run()
print("over", flush=True)
"""

    @pytest.fixture
    def server(self, run_python: Any, name: str) -> Any:
        program = run_python(self.SERVER, name)
        assert program.stdout.readline() == "ready\n"
        sc.Client(name).wait_for_server(60)
        return program

    def test_ctrl_c_ends_it_gracefully(self, server: Any, peers: Peers, name: str) -> None:
        assert peers.ask("add", name) == "5"
        answers: list[Any] = []
        client = sc.Client(name, timeout=60)
        thread = threading.Thread(target=lambda: answers.append(client.call(1000, 1)))
        thread.start()
        assert eventually(lambda: has_running_call(name))
        interrupt(server)
        out, err = server.communicate(timeout=60)
        thread.join()
        assert (out, err, server.returncode, answers) == ("over\n", "", 0, [1001])
        assert not is_there(name)

    @needs_sigterm
    def test_sigterm_ends_it_as_gracefully_where_its_handler_says_stop(
        self, run_python: Any, peers: Peers, name: str
    ) -> None:
        program = self.SERVER.replace(
            "print(", "import signal; signal.signal(signal.SIGTERM, lambda *_: add.stop())\nprint(", 1
        )
        server = run_python(program, name)
        assert server.stdout.readline() == "ready\n"
        client = sc.Client(name, timeout=60, wait_for_server=True)
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(client.call(1000, 1)))
        thread.start()
        assert eventually(lambda: name in sc.list_channels() and has_running_call(name))
        server.terminate()
        out, err = server.communicate(timeout=60)
        thread.join()
        assert (out, err, server.returncode, answers) == ("over\n", "", 0, [1001])
        assert not is_there(name)

    @pytest.mark.parametrize(
        "waiting, interruptions",
        [
            ("server.run()", 2),  # the first one ends it gracefully
            ("with server: time.sleep(600)", 2),  # the first one ends the sleep
            ("server.start(); sys.stdin.readline(); server.stop()", 1),
        ],
    )
    def test_ctrl_c_ends_the_wait_for_a_handler(
        self, run_python: Any, name: str, waiting: str, interruptions: int
    ) -> None:
        program = f"""
import sys, time, shared_channel as sc
def hang(n):
    while True: time.sleep(0.01)
server = sc.Server({name!r}, hang, request="i32", reply="i32")
print("ready", flush=True)
try:
    {waiting}
except KeyboardInterrupt:
    print("interrupted", server.running, flush=True)
"""

        def call() -> None:
            with contextlib.suppress(sc.ChannelError):
                sc.Client(name, timeout=60, wait_for_server=True).call(1)

        server = run_python(program)
        too_long = threading.Timer(60, server.kill)
        too_long.start()
        try:
            assert server.stdout.readline() == "ready\n"
            thread = threading.Thread(target=call)
            thread.start()
            assert eventually(lambda: name in sc.list_channels() and has_running_call(name))
            if interruptions == 1:
                server.stdin.write("\n")
                server.stdin.flush()
            else:
                interrupt(server)
            assert eventually(lambda: sc.inspect(name).state == "stopping")
            interrupt(server)
            began = time.monotonic()
            assert server.stdout.readline() == "interrupted False\n"
            assert time.monotonic() - began < 10  # 50 ms, on a machine that has time
            for _ in range(100):  # the end of the program waits as well, and ends likewise
                interrupt(server)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    server.wait(0.3)
                    break
            assert server.returncode == 130
            thread.join()
        finally:
            too_long.cancel()
            server.kill()
            server.communicate()
        with sc.Server(name, lambda n: n, request="i32", reply="i32"):
            pass  # what the other one has left is gone

    def test_stop_after_a_wait_that_ctrl_c_has_ended_waits_on(self, run_python: Any, name: str) -> None:
        program = f"""
import signal, threading, time, shared_channel as sc
begun, may_end = threading.Event(), threading.Event()
def hang(n):
    begun.set()
    may_end.wait()
    time.sleep(0.2)
    print("finished", flush=True)
    return n
server = sc.Server({name!r}, hang, request="i32", reply="i32").start()
def call():
    try: sc.Client({name!r}, timeout=60).call(5)
    except sc.ChannelError: pass
threading.Thread(target=call, daemon=True).start()
assert begun.wait(60)
threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()
try:
    server.stop()
except KeyboardInterrupt:
    print("interrupted", flush=True)
try:
    server.start()
except sc.InvalidArgument:
    may_end.set()
server.stop()
print("over", flush=True)
with server: pass
"""
        ended = run_python(program)
        out, err = ended.communicate(timeout=60)
        assert (out, err, ended.returncode) == ("interrupted\nfinished\nover\n", "", 0)

    def test_killed_and_started_again(self, server: Any, run_python: Any, name: str) -> None:
        client = sc.Client(name, timeout=60)
        assert client.call(2, 3) == 5
        server.kill()
        server.communicate()
        with pytest.raises((sc.ServerDied, sc.NoServer)) as raised:
            client.call(2, 3)
        assert raised.value.not_executed
        if IS_WINDOWS:  # where nothing outlives its programs
            assert not is_there(name)
        else:
            assert sc.inspect(name).state == "dead"
        again = run_python(self.SERVER, name)
        assert again.stdout.readline() == "ready\n"
        client.wait_for_server(60)
        assert client.call(2, 3) == 5
        interrupt(again)
        again.communicate(timeout=60)

    @pytest.mark.parametrize(
        "ending",
        [
            "",
            "raise SystemExit(0)",
            "import threading; threading.Thread(target=lambda: client.call(1)).start()",
            "import threading; threading.Thread(target=call_for_ever, daemon=True).start(); time.sleep(0.05)",
            "import asyncio; asyncio.run(leave_a_call())",
            "server.stop(); del server, client",
            "client.close()",
        ],
    )
    def test_a_program_that_ends_with_a_running_server(self, run_python: Any, name: str, ending: str) -> None:
        program = f"""
import sys, time, shared_channel as sc
server = sc.Server({name!r}, lambda n: n, request="i32", reply="i32", threads=2).start()
client = sc.Client({name!r}, timeout=60)
assert client.call(5) == 5
def call_for_ever():
    while True:
        try: client.call(1)
        except sc.ChannelError: pass
async def leave_a_call():
    import asyncio
    asyncio.ensure_future(client.call_async(1))
    await asyncio.sleep(0)
print("here", flush=True)
{ending}
"""
        ended = run_python(program)
        out, err = ended.communicate(timeout=60)
        assert (out, err, ended.returncode) == ("here\n", "", 0)
        assert not is_there(name)


    @pytest.mark.parametrize("threads", [1, 3])
    def test_a_program_that_ends_after_a_handler_has_stopped_its_server(
        self, run_python: Any, name: str, threads: int
    ) -> None:
        """The handler finishes first."""
        program = f"""
import threading, time, shared_channel as sc
stopped = threading.Event()
def last(n):
    server.stop()
    stopped.set()
    for _ in range(20): time.sleep(0.02)
    print("finished", flush=True)
    return n
server = sc.Server({name!r}, last, request="i32", reply="i32", threads={threads}).start()
def call():
    try: client.call(5)
    except sc.ChannelError: pass
client = sc.Client({name!r}, timeout=60)
threading.Thread(target=call, daemon=True).start()
assert stopped.wait(60)
"""
        for _ in range(3):
            ended = run_python(program)
            out, err = ended.communicate(timeout=60)
            assert (out, err, ended.returncode) == ("finished\n", "", 0)


def test_what_can_be_seen_from_outside(name: str) -> None:
    with sc.Server(name, lambda n: n, request="{i32 f64}", reply="string", max_calls=3, threads=2):
        client = sc.Client(name, timeout=60)
        assert name in sc.list_channels()
        client.wait_for_server(60)
        seen = sc.inspect(name)
        assert (seen.name, seen.state, seen.process_id, seen.max_calls) == (name, "open", os.getpid(), 3)
        assert seen.request == sc.MessageShape(16, 8, False, "{i32 f64}")
        assert seen.reply == sc.MessageShape(65536, 16, True, "string")
        assert seen.started is not None and seen.started.tzinfo is not None
        assert is_this_user(seen.user) and seen.clients == 1 and seen.calls == ()
