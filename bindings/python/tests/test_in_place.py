"""Replies where the server has written them: nothing is copied, and nothing dangles."""

import gc
import os
import struct
from typing import Any, Iterator

import pytest
from conftest import Peers, eventually
from systems import needs_fork, np

import shared_channel as sc

COUNT = 1 << 18  # floats: 1 MiB


@pytest.fixture
def frames(peers: Peers, name: str) -> sc.Client:
    peers.serve("frame", name)
    return sc.Client(name, timeout=60)


def ask(frames: sc.Client, count: int = COUNT) -> sc.Reply:
    return frames.call_in_place(struct.pack("=I", count))


def calls(frames: sc.Client) -> int:
    return len(sc.inspect(frames.name).calls)


def shared_memory() -> list[tuple[int, int]]:
    """Where this process has mapped channels."""
    with open("/proc/self/maps") as maps:
        lines = [line.split() for line in maps if "shared_channel" in line]
    return [tuple(int(end, 16) for end in line[0].split("-")) for line in lines]  # type: ignore[misc]


def test_an_array_lies_in_shared_memory(frames: sc.Client) -> None:
    with ask(frames) as reply:
        array = np.frombuffer(reply, np.float32)
        address = array.__array_interface__["data"][0]
        assert any(first <= address and address + array.nbytes <= last for first, last in shared_memory())
        assert len(reply) == COUNT * 4 and array[-1] == COUNT - 1
        assert not array.flags.writeable
        del array
    assert calls(frames) == 0


def test_a_view_that_is_left_is_an_error_and_keeps_the_slot(frames: sc.Client) -> None:
    with pytest.raises(BufferError, match="still in use"):
        with ask(frames) as reply:
            array = np.frombuffer(reply, np.float32)
    assert calls(frames) == 1
    for count in range(1, 20):  # of which none gets that slot
        with ask(frames, count) as other:
            assert len(other) == 4 * count
    assert array[5] == 5 and array.sum() == np.arange(COUNT, dtype=np.float32).sum()
    with pytest.raises(BufferError):
        memoryview(reply)  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        len(reply)
    with pytest.raises(BufferError):
        reply.release()
    del array
    assert calls(frames) == 0
    reply.release()


def test_a_view_of_a_view_counts(frames: sc.Client) -> None:
    reply = ask(frames, 100)
    part = np.frombuffer(reply.view(), np.float32)[10:20].reshape(2, 5)
    with pytest.raises(BufferError):
        reply.release()
    del reply
    gc.collect()
    assert part[1, 4] == 19 and calls(frames) == 1
    del part
    assert calls(frames) == 0


def test_views_outlive_client_and_server(peers: Peers, name: str) -> None:
    server = peers.serve("frame", name)
    client = sc.Client(name, timeout=60)
    array = np.frombuffer(ask(client), np.float32)
    client.close()
    assert array[-1] == COUNT - 1
    server.kill()
    assert array[-1] == COUNT - 1 and array.sum() > 0
    peers.serve("frame", name)
    assert sc.Client(name, timeout=60).call(struct.pack("=I", 1)) == bytes(4)
    assert array[-1] == COUNT - 1


def test_an_exception_is_not_hidden_by_a_view(frames: sc.Client) -> None:
    with pytest.raises(ZeroDivisionError):
        with ask(frames, 10) as reply:
            array = np.frombuffer(reply, np.float32)
            array.sum() / 0 if False else 1 // 0
    assert calls(frames) == 1
    del array
    gc.collect()
    assert eventually(lambda: calls(frames) == 0)


def test_a_dropped_reply_gives_its_slot_back(frames: sc.Client) -> None:
    for _ in range(100):  # there are 16 slots
        ask(frames, 10)
    kept = [ask(frames, n) for n in range(16)]
    with pytest.raises(sc.Busy):
        frames.call_in_place(b"", slot_wait=0)
    assert [len(reply) for reply in kept] == [4 * n for n in range(16)]
    kept[3].release()
    assert len(ask(frames, 5)) == 20
    with pytest.raises(BufferError):
        with kept[3]:
            pass


def test_empty_and_small_replies(frames: sc.Client) -> None:
    with ask(frames, 0) as reply:
        assert bytes(reply) == b"" and len(reply) == 0  # type: ignore[call-overload]
    with ask(frames, 2) as reply:
        assert bytes(reply) == struct.pack("=2f", 0, 1)  # type: ignore[call-overload]


def test_memoryviews_count_too(frames: sc.Client) -> None:
    with pytest.raises(BufferError, match="still in use"):
        with ask(frames) as reply:
            view = memoryview(reply).cast("f")  # type: ignore[arg-type]
            part = view[10:20]
    assert view.readonly and len(view) == COUNT and calls(frames) == 1
    view.release()
    assert part[9] == 19 and calls(frames) == 1
    part.release()
    assert calls(frames) == 0
    reply.release()


def test_memoryviews_outlive_client_and_server(peers: Peers, name: str) -> None:
    server = peers.serve("frame", name)
    client = sc.Client(name, timeout=60)
    view = memoryview(ask(client)).cast("f")  # type: ignore[arg-type]
    client.close()
    assert view[-1] == COUNT - 1
    server.kill()
    assert view[-1] == COUNT - 1 and sum(view[:100]) == 4950
    peers.serve("frame", name)
    assert sc.Client(name, timeout=60).call(struct.pack("=I", 1)) == bytes(4)
    assert view[-1] == COUNT - 1


def test_typed_channels_in_place(peers: Peers, name: str) -> None:
    peers.serve("add", name)
    with sc.Client(name).call_in_place(2, 3) as reply:
        assert np.frombuffer(reply, np.int32)[0] == 5


@needs_fork
def test_a_reply_in_a_child(frames: sc.Client) -> None:
    reply: Any = ask(frames, 10)
    array = np.frombuffer(reply, np.float32)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            memoryview(reply)
        except BufferError:
            status = 0 if array.sum() == 0 else 2  # the child has zeros of its own in its place
        finally:
            del array, reply
            gc.collect()
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert array[9] == 9 and calls(frames) == 1


class TestDrafts:
    """Requests that are written where the server reads them."""

    @pytest.fixture
    def doubler(self, name: str) -> Iterator[sc.Client]:
        def doubled(data: bytes) -> Any:
            return np.frombuffer(data, np.float32) * 2

        with sc.Server(name, doubled, request="bytes", reply="bytes", max_request_bytes=4096, max_reply_bytes=4096):
            yield sc.Client(name, timeout=60)

    def test_an_array_is_written_in_shared_memory(self, doubler: sc.Client) -> None:
        with doubler.draft() as draft:
            array = np.frombuffer(draft, np.float32)
            address = array.__array_interface__["data"][0]
            assert any(first <= address and address + array.nbytes <= last for first, last in shared_memory())
            array[:100] = np.arange(100)
            with pytest.raises(BufferError):
                draft.send(400)
            del array
            with draft.send(400) as reply:
                assert len(reply) == 400 and np.frombuffer(reply, np.float32)[99] == 198
            with pytest.raises(BufferError):
                draft.send()
        assert calls(doubler) == 0

    def test_one_that_is_not_sent(self, doubler: sc.Client) -> None:
        for _ in range(100):
            doubler.draft()
        with pytest.raises(ZeroDivisionError):
            with doubler.draft() as draft:
                array = np.frombuffer(draft, np.uint8)
                1 // 0
        assert calls(doubler) == 1
        array[:] = 7  # is still ours
        del array
        assert calls(doubler) == 0
        draft = doubler.draft()
        for wrong in (-1, 4097, "a"):
            with pytest.raises((ValueError, TypeError)):
                draft.send(wrong)  # type: ignore[arg-type]
        assert len(draft) == 4096
        draft.release()
        assert sc.inspect(doubler.name).calls_so_far == 0 or calls(doubler) == 0

    def test_one_whose_server_goes(self, peers: Peers, name: str) -> None:
        server = peers.serve("add", name)
        client = sc.Client(name, timeout=60)
        draft = client.draft()
        np.frombuffer(draft, np.int32)[:] = (2, 3)
        server.kill()
        with pytest.raises((sc.ServerDied, sc.NoServer)) as raised:
            draft.send()
        assert raised.value.not_executed
        peers.serve("add", name)
        with client.draft() as draft:
            np.frombuffer(draft, np.int32)[:] = (2, 3)
            client.close()
            with draft.send() as reply:
                assert bytes(reply) == struct.pack("=i", 5)  # type: ignore[call-overload]

    def test_a_memoryview_is_written_in(self, peers: Peers, name: str) -> None:
        peers.serve("add", name)
        client = sc.Client(name, timeout=60)
        with client.draft() as draft:
            view = memoryview(draft).cast("i")  # type: ignore[arg-type]
            view[0], view[1] = 2, 3
            with pytest.raises(BufferError):
                draft.send()
            view.release()
            with draft.send() as reply:
                assert bytes(reply) == struct.pack("=i", 5)  # type: ignore[call-overload]
        assert calls(client) == 0

    def test_none_to_write_in(self, name: str) -> None:
        with pytest.raises(sc.NoServer):
            sc.Client(name).draft()
        with pytest.raises(sc.NoServer):
            sc.Client(name, wait_for_server=True).draft(timeout=0.05)
