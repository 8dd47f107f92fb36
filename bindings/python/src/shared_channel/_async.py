"""Calls that asyncio waits for.

Threads of the library's end the calls and put their tokens into a queue per event loop, without touching Python. Where
the system has descriptors that a loop can watch, the queue's turns readable; elsewhere (Windows' loops, or a loop
without add_reader) a thread waits for the queue and tells the loop by call_soon_threadsafe().
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import weakref
from typing import Callable, Optional, TypeVar

from . import _native

T = TypeVar("T")


class Completions:
    """The calls of one event loop that are in flight. Used in that loop's thread only."""

    _attribute = "_shared_channel_completions"  # of the loop, so that both are forgotten together
    _lock = threading.Lock()
    uses_descriptors = True
    glance_interval = 1.0  # seconds

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._queue = _native.CompletionQueue()
        self._tokens = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._glance: Optional[asyncio.TimerHandle] = None
        if not self._watch(loop):
            _tell_by_thread(self._queue, loop, weakref.WeakMethod(self._resume))

    @classmethod
    def after_fork(cls) -> None:
        """In the child, where a thread that is gone may have held the lock."""
        cls._lock = threading.Lock()

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> Completions:
        """Those of this loop."""
        with cls._lock:
            found: Optional[Completions] = getattr(loop, cls._attribute, None)
            if found is None:
                found = cls(loop)
                setattr(loop, cls._attribute, found)
            return found

    def _watch(self, loop: asyncio.AbstractEventLoop) -> bool:
        if not self.uses_descriptors or self._queue.fileno() < 0:
            return False
        try:
            loop.add_reader(self._queue.fileno(), self._resume)
        except NotImplementedError:
            return False
        return True

    def _resume(self) -> None:
        for token in self._queue.drain():
            future = self._waiting.pop(token, None)
            if future is not None and not future.done():
                future.set_result(None)

    def _look_now_and_then(self, loop: asyncio.AbstractEventLoop) -> None:
        """As long as something is in flight: a program may have closed the descriptor, as one that is not its own."""
        if self._glance is None:
            self._glance = loop.call_later(self.glance_interval, self._look)

    def _look(self) -> None:
        self._glance = None
        self._resume()
        loop = self._loop()
        if self._waiting and loop is not None:
            self._look_now_and_then(loop)

    async def call(self, client: _native.Client, request: bytes, timeout: Optional[float]) -> bytes:
        """The reply's bytes. Busy at once where no slot is free."""
        token = next(self._tokens)
        pending = client.begin(request, timeout, self._queue, token)
        if not pending.done():
            loop = asyncio.get_running_loop()
            ended = self._waiting[token] = loop.create_future()
            self._look_now_and_then(loop)
            try:
                await ended
            finally:
                self._waiting.pop(token, None)
                pending.cancel()  # nothing happens if it has ended
        return pending.result()


def _tell_by_thread(
    queue: _native.CompletionQueue,
    loop: asyncio.AbstractEventLoop,
    resume: weakref.WeakMethod[Callable[[], None]],
) -> None:
    """A thread that lives as long as the loop."""
    here = weakref.ref(loop, lambda _: queue.close())
    told = threading.Semaphore(0)

    def in_loop() -> None:
        method = resume()
        if method is not None:
            method()
        told.release()

    def wait() -> None:
        while queue.wait():
            there = here()
            try:
                if there is None:
                    return
                there.call_soon_threadsafe(in_loop)
            except RuntimeError:  # closed
                return
            del there
            told.acquire(timeout=1)

    threading.Thread(target=wait, name="shared_channel", daemon=True).start()


async def patiently(work: Callable[[_native.Stop], T]) -> T:
    """What `work` returns, which waits in a thread; it is stopped if we are cancelled or closed.

    The thread keeps neither the loop nor us, and the program does not wait for it: a loop may be closed and forgotten
    while it waits. That is why it is none of the loop's executor.
    """
    stop = _native.Stop()
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()
    arguments = (work, stop, weakref.ref(loop), weakref.ref(outcome))
    threading.Thread(target=_work_for, args=arguments, name="shared_channel", daemon=True).start()
    try:
        return await outcome
    except BaseException:  # GeneratorExit, too
        stop.stop()
        raise


def _work_for(
    work: Callable[[_native.Stop], T],
    stop: _native.Stop,
    loop: weakref.ref[asyncio.AbstractEventLoop],
    outcome: weakref.ref[asyncio.Future[T]],
) -> None:
    def settle(answer: Callable[[asyncio.Future[T]], None]) -> None:
        there = outcome()
        if there is not None and not there.done():
            answer(there)

    def tell(answer: Callable[[asyncio.Future[T]], None]) -> None:
        there = loop()
        if there is not None:
            with contextlib.suppress(RuntimeError):  # closed
                there.call_soon_threadsafe(settle, answer)

    try:
        result = work(stop)
    except BaseException as error:
        failure = error  # outlives this block
        tell(lambda future: future.set_exception(failure))
    else:
        tell(lambda future: future.set_result(result))
