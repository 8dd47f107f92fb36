"""The asking end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import time
import weakref
from types import TracebackType
from typing import Any, Callable, Iterator, Literal, Optional, TypeVar, Union, overload

from . import _native
from ._annotations import conversion
from ._async import Completions, patiently
from ._codec import Bytes, Message
from ._errors import Busy, ChannelError, LayoutMismatch, NoServer, ServerDied, ServerStopped
from ._native import Draft, Reply

T = TypeVar("T")
Scope = Literal["session", "machine"]

DEFAULT_TIMEOUT = 0.25
"""Seconds that a call waits for its answer unless told otherwise."""

_UNSAID = float("-inf")


class _Link:
    """A client of the library's, and the messages of the servers that it calls from when it has learnt them.

    It learns once. Its calls then reach servers with these messages alone, so that no thread's request is taken for
    another message because a second thread has learnt of a new server meanwhile.
    """

    def __init__(self, native: _native.Client) -> None:
        self.native = native
        self.is_known = False  # whether there are the rest
        self.shape: tuple[_native.Shape, _native.Shape]
        self.request: Message
        self.reply: Message
        self._conversions: dict[Any, Callable[[Any], Any]] = {}

    def learn(self) -> None:
        """Of the server that is there. Not by two threads at once, nor again once it has succeeded."""
        self.shape = self.native.shape()
        self.request = Message(self.shape[0][3])
        self.reply = Message(self.shape[1][3])
        self.is_known = True

    def converted(self, value: Any, kind: Any) -> Any:
        """The decoded reply as an instance of `kind`."""
        convert = self._conversions.get(kind)
        if convert is None:
            convert = self._conversions[kind] = conversion(kind, self.reply.type)
        return convert(value)


def _left(timeout: Optional[float], spent: float) -> Optional[float]:
    """Of a timeout, after so many seconds."""
    if timeout is None:
        return None
    left = timeout - spent
    return 0.0 if left < 0 else left  # what is not a number stays so


def _must_be_new_messages(mismatch: LayoutMismatch) -> None:
    """Raises it again, unless it says that our own server takes others, and that nobody saw the request."""
    if mismatch.passed_on or not mismatch.not_executed:
        raise mismatch


class Client:
    """Calls the server of a channel; finds it by itself, again after each restart.

    The messages' types are the server's: nothing is declared here. Thread-safe; calls of many threads proceed side by
    side. Times are in seconds, None is as long as it takes. Errors are ChannelErrors; a value that is none of the
    server's type is a TypeError, ValueError or OverflowError, and a closed client a ValueError.

    Not usable in a fork()ed child (Forked): make a new one there.
    """

    def __init__(
        self,
        name: str,
        *,
        timeout: Optional[float] = DEFAULT_TIMEOUT,
        wait_for_server: bool = False,
        server_user: Union[None, int, str] = None,
        spin: Optional[float] = None,
        scope: Scope = "session",
    ) -> None:
        """Does not look for the server yet.

        timeout          of calls that give none
        wait_for_server  whether a call waits, inside its timeout, for a server to appear instead of raising NoServer
        server_user      who may serve us: None for this user or the system, a user id, a SID, or "any"
        spin             longest time to spin before sleeping; None: as the library does, inf: never sleep
        scope            which of Windows' sessions see the channel
        """
        self.name = name
        self._timeout = timeout
        self._waits = wait_for_server
        self._make = functools.partial(_native.Client, name, spin, wait_for_server, server_user, scope)
        self._closed = False
        self._numbers = itertools.count()
        self._links: weakref.WeakValueDictionary[int, _Link] = weakref.WeakValueDictionary()  # all that somebody uses
        self._link = self._new_link()
        self._spare = [self._link]  # those that know nothing yet, and that nobody makes learn

    # ---- calls ----

    @overload
    def call(
        self, *values: Any, timeout: Optional[float] = ..., slot_wait: Optional[float] = ..., reply_type: type[T]
    ) -> T: ...
    @overload
    def call(
        self, *values: Any, timeout: Optional[float] = ..., slot_wait: Optional[float] = ..., reply_type: None = ...
    ) -> Any: ...
    def call(
        self,
        *values: Any,
        timeout: Optional[float] = _UNSAID,
        slot_wait: Optional[float] = None,
        reply_type: Any = None,
    ) -> Any:
        """Asks, and waits for the answer.

        `values` are the request's members, or the whole request. The answer is the reply's only member, a tuple of
        several, or an instance of `reply_type`, a NamedTuple or dataclass. `timeout` defaults to the client's;
        `slot_wait` is how long of it the call may wait for a slot where all are occupied (0: Busy at once).
        Ctrl-C ends the wait within 50 ms and withdraws the request.
        """
        seconds = self._timeout if timeout is _UNSAID else timeout
        link = self._link
        if not link.is_known:
            link, seconds = self._learn(seconds)
        link, request = self._encoded(link, values)
        try:
            data = link.native.call(request, seconds, slot_wait)
        except LayoutMismatch as mismatch:
            link, seconds = self._learn_again(mismatch, link, seconds)
            data = link.native.call(link.request.encode(values), seconds, slot_wait)
        value = link.reply.decode(data)
        return value if reply_type is None else link.converted(value, reply_type)

    def call_bytes(
        self, request: Bytes, *, timeout: Optional[float] = _UNSAID, slot_wait: Optional[float] = None
    ) -> bytes:
        """The same with the messages' bytes, whatever they mean to the server.

        Once this client knows the messages, by a call() or by `request`, bytes reach no server of others: that is a
        LayoutMismatch. To read `request` again allows those of the server that is there.
        """
        seconds = self._timeout if timeout is _UNSAID else timeout
        return self._link.native.call(request, seconds, slot_wait)

    def call_in_place(
        self, *values: Any, timeout: Optional[float] = _UNSAID, slot_wait: Optional[float] = None
    ) -> Reply:
        """The same without copying the reply: its bytes as a buffer, where the server has written them.

            with client.call_in_place(b"next") as reply:
                mean = np.frombuffer(reply, np.float32).mean()

        It occupies one of the server's slots until it is released. To leave the block while a view of it is in use,
        such as an array, is a BufferError; the slot then goes with the last view. A server of ill will can change the
        bytes while you look.
        """
        seconds = self._timeout if timeout is _UNSAID else timeout
        link = self._link
        if not link.is_known:
            link, seconds = self._learn(seconds)
        link, request = self._encoded(link, values)
        try:
            return link.native.call_in_place(request, seconds, slot_wait)
        except LayoutMismatch as mismatch:
            link, seconds = self._learn_again(mismatch, link, seconds)
            return link.native.call_in_place(link.request.encode(values), seconds, slot_wait)

    def draft(self, *, timeout: Optional[float] = _UNSAID, slot_wait: Optional[float] = None) -> Draft:
        """A request to be written where the server will read it: a buffer of as many bytes as a request may have.

            with client.draft() as draft:
                np.frombuffer(draft, np.float32)[:] = frame
                with draft.send() as reply:
                    ...

        It occupies one of the server's slots, and the timeout runs, until it is sent or released. To send it while a
        view of it is in use is a BufferError. It begins with what an earlier call left there. Sent to a
        server of other messages than the client knows it is a LayoutMismatch, as with call_bytes().
        """
        seconds = self._timeout if timeout is _UNSAID else timeout
        return self._link.native.draft(seconds, slot_wait)

    @overload
    async def call_async(
        self, *values: Any, timeout: Optional[float] = ..., slot_wait: Optional[float] = ..., reply_type: type[T]
    ) -> T: ...
    @overload
    async def call_async(
        self, *values: Any, timeout: Optional[float] = ..., slot_wait: Optional[float] = ..., reply_type: None = ...
    ) -> Any: ...
    async def call_async(
        self,
        *values: Any,
        timeout: Optional[float] = _UNSAID,
        slot_wait: Optional[float] = None,
        reply_type: Any = None,
    ) -> Any:
        """call() for asyncio. Cancelling the task cancels the call: what no handler has taken never runs."""
        seconds = self._timeout if timeout is _UNSAID else timeout
        link = self._link
        if not link.is_known:
            link, seconds = await self._learn_async(seconds)
        link, request = self._encoded(link, values)
        began = time.monotonic()
        try:
            data = await self._exchange_async(link, request, seconds, slot_wait)
        except LayoutMismatch as mismatch:
            _must_be_new_messages(mismatch)
            link, seconds = await self._learn_async(_left(seconds, time.monotonic() - began), link)
            data = await self._exchange_async(link, link.request.encode(values), seconds, slot_wait)
        value = link.reply.decode(data)
        return value if reply_type is None else link.converted(value, reply_type)

    async def _exchange_async(
        self, link: _Link, request: bytes, timeout: Optional[float], slot_wait: Optional[float]
    ) -> bytes:
        loop = asyncio.get_running_loop()
        began, left = loop.time(), timeout
        setback: Optional[ChannelError] = None  # how the last server ended
        while True:
            try:
                return await Completions.of(loop).call(link.native, request, left)
            except (Busy, NoServer, ServerDied, ServerStopped) as error:
                left = _left(timeout, loop.time() - began)
                if error.passed_on or not error.not_executed:
                    raise
                # As a plain call does: nobody has seen the request, and another server may be there.
                if isinstance(error, (ServerDied, ServerStopped)):
                    if left == 0:
                        raise
                    setback = error
                    continue
                if slot_wait != 0 if isinstance(error, Busy) else self._waits:
                    break
                if setback is not None and isinstance(error, NoServer):
                    raise setback from None
                raise
        return await patiently(lambda stop: link.native.call_until(request, left, slot_wait, stop))

    # ---- the server and its messages ----

    def wait_for_server(self, timeout: Optional[float] = None) -> None:
        """Waits until a server is there and attaches to it. NoServer at the deadline."""
        self._link.native.wait_for_server(timeout, None)

    @property
    def connected(self) -> bool:
        """Whether this client is attached to a server that is alive at this moment."""
        return self._link.native.connected()

    @property
    def request(self) -> str:
        """The description of what the server that is there takes. NoServer if there is none."""
        return self._learn(0)[0].request.description

    @property
    def reply(self) -> str:
        """The description of what the server answers."""
        return self._learn(0)[0].reply.description

    def _learn(
        self, timeout: Optional[float], instead_of: Optional[_Link] = None
    ) -> tuple[_Link, Optional[float]]:
        """A link to the server that is there, other than `instead_of`, and what is left of the time."""
        began = time.monotonic()
        with self._unknowing() as link:
            if self._waits and not link.native.connected():
                link.native.wait_for_server(timeout, None)
            link.learn()
        return self._settled(link, instead_of), _left(timeout, time.monotonic() - began)

    async def _learn_async(
        self, timeout: Optional[float], instead_of: Optional[_Link] = None
    ) -> tuple[_Link, Optional[float]]:
        began = time.monotonic()
        with self._unknowing() as link:
            if self._waits and not link.native.connected():
                await patiently(lambda stop: link.native.wait_for_server(timeout, stop))
            link.learn()
        return self._settled(link, instead_of), _left(timeout, time.monotonic() - began)

    @contextlib.contextmanager
    def _unknowing(self) -> Iterator[_Link]:
        """A link for the caller to make learn. One that fails to serves the next."""
        try:
            link = self._spare.pop()
        except IndexError:
            link = self._new_link()
        try:
            yield link
        except BaseException:
            self._spare.append(link)
            raise

    def _new_link(self) -> _Link:
        link = _Link(self._make())
        self._links[next(self._numbers)] = link
        if self._closed:  # by a thread that may not have seen it
            link.native.close()
        return link

    def _settled(self, link: _Link, instead_of: Optional[_Link]) -> _Link:
        """This link, for the calls to come; or the one that they have, where that knows the same."""
        now = self._link
        if now is not instead_of and now is not link and now.is_known and now.shape == link.shape:
            return now
        self._link = link
        return link

    def _encoded(self, link: _Link, values: tuple[Any, ...]) -> tuple[_Link, bytes]:
        """The request of these values, perhaps for a server that came meanwhile and takes others."""
        try:
            return link, link.request.encode(values)
        except (TypeError, ValueError, OverflowError):
            now = self._learn_if_there()
            if now is None or now.request.description == link.request.description:
                raise
            return now, now.request.encode(values)

    def _learn_if_there(self) -> Optional[_Link]:
        try:
            return self._learn(0)[0]
        except ChannelError:
            return None

    def _learn_again(
        self, mismatch: LayoutMismatch, link: _Link, timeout: Optional[float]
    ) -> tuple[_Link, Optional[float]]:
        """After the server was replaced by one with other messages."""
        _must_be_new_messages(mismatch)
        return self._learn(_left(timeout, mismatch._spent), link)

    # ---- its end ----

    def close(self) -> None:
        """Lets go of the channel. Calls of other threads end first; those of event loops end in TimedOut."""
        self._closed = True
        for reference in self._links.valuerefs():
            link = reference()
            if link is not None:
                link.native.close()

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of shared channel {self.name!r}{' (closed)' if self.closed else ''}>"
