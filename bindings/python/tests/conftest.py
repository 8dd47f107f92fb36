"""C++ peers, and names that no other test has. SHARED_CHANNEL_BUILD is the directory where they were built."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest
import systems
from systems import IS_WINDOWS

import shared_channel as sc

BUILD = Path(os.environ.get("SHARED_CHANNEL_BUILD", "."))
PEER = BUILD / ("bindings/python/python_peer" + (".exe" if IS_WINDOWS else ""))
_numbers = itertools.count()

# Programs that a shell starts in the background ignore Ctrl-C, and so do theirs, unless somebody handles it in between.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Peer:
    """A C++ server, until the end of the test."""

    def __init__(self, kind: str, name: str) -> None:
        self.name = name
        command = [str(PEER), "serve", kind, name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        systems.pause(self._process)

    def go_on(self) -> None:
        systems.go_on(self._process)

    def stop(self) -> None:
        self._process.communicate(timeout=60)


class Peers:
    def __init__(self) -> None:
        self._running: list[Peer] = []

    def serve(self, kind: str, name: str) -> Peer:
        peer = Peer(kind, name)
        self._running.append(peer)
        return peer

    def ask(self, kind: str, name: str) -> str:
        """What a C++ client prints."""
        done = subprocess.run([str(PEER), "ask", kind, name], capture_output=True, text=True, timeout=60)
        return done.stdout.strip()

    def end(self) -> None:
        alive = [peer for peer in self._running if peer.is_alive()]
        for peer in alive:
            peer.go_on()
            peer.stop()
        for name in {peer.name for peer in self._running if peer not in alive}:
            Peer("add", name).stop()  # what a killed server leaves goes with the next one of its name


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a channel behind."""
    yield
    mine = f"py-{os.getpid()}-"
    gc.collect()  # a client that is left keeps what it sees
    assert eventually(lambda: not any(name.startswith(mine) and is_there(name) for name in sc.list_channels()))


@pytest.fixture
def peers(nothing_is_left: None) -> Iterator[Peers]:
    started = Peers()
    yield started
    started.end()


@pytest.fixture
def name() -> str:
    return f"py-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def run_python() -> Callable[..., subprocess.Popen[str]]:
    """Another interpreter with this package, running a text."""

    def run(program: str, *arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(systems.command(program, *arguments), stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    return run


def is_there(name: str) -> bool:
    """Windows lists a name for as long as any program still has something of it."""
    try:
        sc.inspect(name)
    except sc.NoServer:
        return False
    return True


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether it comes true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
