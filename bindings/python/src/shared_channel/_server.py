"""The answering end."""

from __future__ import annotations

import atexit
import contextlib
import functools
import inspect
import logging
import os
import sys
import threading
import typing
from types import TracebackType
from typing import Any, Callable, Optional, Union

from . import _native
from ._annotations import conversion, describe, describe_members, fields_of
from ._codec import Message
from ._errors import ChannelError, Corrupt, InvalidArgument, ServerStopped
from ._inspection import ServerStats

Handler = Callable[..., Any]
Declared = Any  # a description or a type; None: by the handler's annotations
Access = Union[None, int, str, tuple[int, int]]

logger = logging.getLogger("shared_channel")

_running: set[_Serving] = set()  # a server that answers lives, whoever has forgotten it
_lock = threading.Lock()
_is_over = False
_ENDED_BY_CTRL_C = 130  # as shells call it


class _Form:
    """How a handler is called and what travels: found by its annotations, or declared."""

    def __init__(self, handler: Handler, request: Declared, reply: Declared) -> None:
        if _is_async(handler):
            raise TypeError(
                f"{_name(handler)}() is async, and no loop would run it; a handler returns the reply itself"
            )
        self._handler = handler
        hints = typing.get_type_hints(handler, include_extras=True) if request is None or reply is None else {}
        parameters = _parameters(handler)
        if reply is None:
            reply = _hint(hints, "return", handler)
        self._convert: Optional[Callable[[Any], Any]] = None
        self._converts: list[Callable[[Any], Any]] = []
        if request is None:
            kinds = [_hint(hints, name, handler) for name in parameters]
            if not kinds:
                raise TypeError(f"{_name(handler)}() takes no request: it needs a parameter")
            text = describe(kinds[0]) if len(kinds) == 1 else describe_members(kinds)
            self.request = Message(text)
            if len(kinds) == 1:
                self._convert = conversion(kinds[0], self.request.type)
            else:
                self._converts = [conversion(kind, part) for kind, part in zip(kinds, self.request.type.parts)]
            self._spreads = len(kinds) > 1
        else:
            self.request = Message(describe(request))
            self._spreads = self.request.count > 1 and fields_of(request) is None
            self._convert = None if self._spreads else conversion(request, self.request.type)
        self.reply = Message(describe(reply))
        if self.reply.count == 0:
            raise TypeError(f"{_name(handler)}() returns nothing; a reply needs a type")

    def answer(self, data: bytes) -> bytes:
        """The reply to a request. ChannelErrors are passed on; others, which fail the call, are logged."""
        try:
            value = self.request.decode(data)
        except Corrupt as error:
            raise Corrupt(error.message, not_executed=True) from None
        try:
            return self.reply.encode((self._call(value),))
        except ChannelError:
            raise
        except BaseException:
            logger.exception("a handler of a shared channel failed")
            raise

    def _call(self, value: Any) -> Any:
        if self._spreads:
            if self._converts:
                value = [convert(one) for convert, one in zip(self._converts, value)]
            return self._handler(*value)
        return self._handler(value if self._convert is None else self._convert(value))


def _parameters(handler: Handler) -> list[str]:
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return []
    return [name for name, one in signature.parameters.items() if one.default is one.empty]


def _hint(hints: dict[str, Any], name: str, handler: Handler) -> Any:
    if name not in hints:
        what = "its result" if name == "return" else f"its parameter {name}"
        raise TypeError(
            f"{_name(handler)}() does not say the type of {what}; annotate it, or declare request and reply"
        )
    return hints[name]


def _is_async(handler: Handler) -> bool:
    of_objects = getattr(type(handler), "__call__", None)
    return any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in (handler, of_objects))


def _name(handler: Handler) -> str:
    return str(getattr(handler, "__name__", handler))


class _Serving:
    """What a server does from one start() to its stop(), whichever others there are before and after it."""

    def __init__(self, server: Server, native: _native.Server) -> None:
        self.server = server
        self.native = native
        self.is_stopped = False
        self.is_over = False  # the handlers have ended, and the name is free
        self._until_stop = threading.Lock()
        self._until_stop.acquire()

    def stop(self) -> None:
        """Any number of times, in any thread; all of them wait. Where Ctrl-C ends that, the next one waits on."""
        self.is_stopped = True
        try:
            self.native.close()
            self.is_over = True
            _running.discard(self)
        finally:
            self.let_run_go_on()

    def watch(self, ended_by: list[ChannelError]) -> None:
        """Lets run() go on once nothing is served any more. The main thread cannot wait for that and for Ctrl-C."""
        try:
            self.native.wait()
        except ChannelError as error:
            ended_by.append(error)
        except ValueError:  # closed before we got here
            pass
        self.let_run_go_on()

    def let_run_go_on(self) -> None:
        """Or not wait at all, if it has not begun to."""
        try:
            self._until_stop.release()
        except RuntimeError:  # it does already
            pass

    def wait(self) -> None:
        """Until then. Windows does not let Ctrl-C end the wait for a lock."""
        slice = 0.05 if sys.platform == "win32" else -1
        while not self._until_stop.acquire(timeout=slice):
            pass


class Server:
    """Answers the calls of a channel with a function.

        def add(a: sc.i32, b: sc.i32) -> sc.i32:
            return a + b

        with sc.Server("adder", add):
            ...

    What travels is what the annotations say (see describe()): of one parameter its type, of several a struct of them.
    Or it is declared: `request` and `reply` are descriptions, such as "{i32 i32}", or types. A request that is declared
    as a struct or tuple of several members is handed over as so many arguments, unless it is a NamedTuple or dataclass.

    The handler is called on threads of the library's, one call at a time unless `threads` is larger. If it raises, its
    caller alone gets HandlerFailed with the text, and the traceback is logged; a ChannelError is passed on.
    Thread-safe. In a fork()ed child it is inert: only the parent's serves.
    """

    def __init__(
        self,
        name: str,
        handler: Handler,
        *,
        request: Declared = None,
        reply: Declared = None,
        max_calls: int = 16,
        threads: int = 1,
        max_request_bytes: int = 64 * 1024,
        max_reply_bytes: int = 64 * 1024,
        access: Access = None,
        spin: Optional[float] = None,
        scope: str = "session",
    ) -> None:
        """Does not take the name yet: start() does. TypeError: a type has no description, or the handler is async.

        max_calls        calls in flight at once; further callers queue
        threads          handlers that run at once
        max_..._bytes    largest message, where messages vary in length; each slot reserves as much
        access           who may call: None for this user, "everyone", mode bits, (mode bits, group id) or, on Windows,
                         SDDL
        spin             longest time in seconds to spin before sleeping; None: as the library does, inf: never sleep
        scope            "session" or "machine": which of Windows' sessions see the channel
        """
        self.name = name
        self._form = _Form(handler, request, reply)
        self._make = functools.partial(_make_server, name, max_calls, threads, spin, access, scope)
        self._sizes = (max_request_bytes, max_reply_bytes)
        self._serving: Optional[_Serving] = None  # the last one, which may be over

    @property
    def request(self) -> str:
        """The description of what it takes."""
        return self._form.request.description

    @property
    def reply(self) -> str:
        """The description of what it answers."""
        return self._form.reply.description

    def start(self) -> Server:
        """Takes the name and answers calls in the background until stop(). NameInUse: a live server has it."""
        self._begin()
        return self

    def _begin(self) -> _Serving:
        """start(). What it returns is this server's until somebody stops it, which may be before we return."""
        with _lock:
            if _is_over:
                raise RuntimeError("the program is ending")
            if self._serving is not None and not self._serving.is_over:
                raise InvalidArgument(f"the server of shared channel {self.name!r} already serves")
            shapes = (_shape(self._form.request, self._sizes[0]), _shape(self._form.reply, self._sizes[1]))
            serving = self._serving = _Serving(self, self._make(*shapes))
            _running.add(serving)
            try:
                serving.native.start(self._form.answer)
            except BaseException as error:
                was_stopped = serving.is_stopped
                serving.stop()
                if not (was_stopped and isinstance(error, (ServerStopped, ValueError))):
                    raise
            return serving

    def stop(self) -> None:
        """Takes no more calls, waits for the handlers that run, and gives the name up. Any number of times.

        In a handler of its own it waits for no other handler. Ctrl-C ends the wait within 50 ms: the handlers then go
        on, the name is given up with the last of them, and to stop() again waits for that.
        """
        if self._serving is not None:
            self._serving.stop()

    def run(self) -> None:
        """start(), and return after stop() or Ctrl-C. Handlers that run then finish, and their callers get answers.

        A second Ctrl-C does not wait for them: KeyboardInterrupt. ServerStopped: it has ended by itself, because
        somebody removed its shared memory.
        """
        serving = self._begin()
        ended_by: list[ChannelError] = []
        watcher = threading.Thread(target=serving.watch, args=(ended_by,), name="shared_channel", daemon=True)
        watcher.start()
        try:
            serving.wait()
        except KeyboardInterrupt:
            pass
        finally:
            serving.stop()
        watcher.join()
        if ended_by:
            raise ended_by[0]

    @property
    def running(self) -> bool:
        """Whether it answers calls."""
        return self._serving is not None and not self._serving.is_stopped

    def stats(self) -> ServerStats:
        """What became of the calls since start(), and how many are in the making. ValueError: it does not run."""
        serving = self._serving
        if serving is None or serving.is_over:
            raise ValueError("this server does not run")
        counted = serving.native.stats()
        return ServerStats(*counted[:-1], counted[-1] / 1e9)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self, kind: Optional[type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Server of shared channel {self.name!r}{'' if self.running else ' (stopped)'}>"


def _make_server(
    name: str,
    max_calls: int,
    threads: int,
    spin: Optional[float],
    access: Access,
    scope: str,
    request: _native.Shape,
    reply: _native.Shape,
) -> _native.Server:
    return _native.Server(name, request, reply, max_calls, threads, spin, access, scope)


def _shape(message: Message, most: int) -> _native.Shape:
    codec = message.codec
    if codec.is_flat:
        return (codec.size, message.type.align, False, message.description)
    return (most, 16, True, message.description)


class Service(Server):
    """What the decorator serve() makes of a function: a Server of it that can still be called as the function."""

    def __init__(self, name: str, handler: Handler, **options: Any) -> None:
        super().__init__(name, handler, **options)
        self._function = handler
        functools.update_wrapper(self, handler)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._function(*arguments, **named)


def serve(
    name: str, request: Declared = None, reply: Declared = None, **options: Any
) -> Callable[[Handler], Service]:
    """Makes a function the handler of a channel; see Server for how its messages are declared, and for the options.

        @sc.serve("adder", "{i32 i32}", "{i32}")
        def add(a, b):
            return a + b

        add.run()  # until Ctrl-C
    """
    return lambda handler: Service(name, handler, request=request, reply=reply, **options)


def _end_all() -> None:
    """At the interpreter's end, while threads can still run Python."""
    global _is_over
    with _lock:
        _is_over = True
        left = list(_running)
    try:
        for serving in left:
            serving.stop()
        _native.end_of_python()
    except BaseException:  # Ctrl-C, once more. No interpreter may end while a handler of a C++ thread runs in it.
        sys.excepthook(*sys.exc_info())
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(_ENDED_BY_CTRL_C)


def _forget_all() -> None:
    """In a fork()ed child, where the servers are the parent's."""
    global _lock
    _lock = threading.Lock()
    for serving in list(_running):
        serving.server._serving = None
    _running.clear()


atexit.register(_end_all)
