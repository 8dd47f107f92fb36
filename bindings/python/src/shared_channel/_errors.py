"""What can go wrong: one exception class for each of the library's error codes."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from . import _native


class ChannelError(Exception):
    """A call, a client or a server failed. Each subclass stands for one code.

    A handler that raises one passes it on: its caller gets the same class and text. `not_executed=True` is then the
    handler's promise that it has done nothing which may not be done twice.
    """

    code: ClassVar[int] = 0
    name: ClassVar[str] = ""
    _passes_by_itself: ClassVar[bool] = False

    # The library sets these itself, of an error that a call ended in, except the last.
    message: str = ""
    not_executed: bool = False
    """True if it is certain that no handler saw the request: asking again cannot run it twice."""
    native: int = 0
    """The operating system's own code (errno, GetLastError()), or 0. What is an OSError has it as `errno`, too."""
    passed_on: bool = False
    """True of an error that the server's handler raised: the channel is well; it is about what the handler needed."""
    _spent: float = 0.0  # seconds that the call took, of one that was waited for
    promises_not_executed: bool = False
    """What the caller of a handler that raises this is told. False of an error that a call ended in."""

    def __init__(self, message: str = "", *, not_executed: bool = False, native: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.not_executed = not_executed
        self.native = native
        if native and isinstance(self, OSError):
            _set_errno(self, native)
        self.promises_not_executed = not_executed

    @property
    def safe_to_retry(self) -> bool:
        """True if the request was not executed and the same call may succeed later."""
        return self.not_executed and self._passes_by_itself

    def relay(self) -> ChannelError:
        """The error that another channel's call ended in, for a handler to raise and so to pass on.

        Its caller then gets not_executed as it is here. An error that simply escapes from a handler is told with
        not_executed False, since nobody knows what the handler had done by then.
        """
        return _make(self.code, self.message, self.native, self.not_executed, self.not_executed)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        said = (self.code, self.message, self.native, self.not_executed, self.promises_not_executed, self.passed_on)
        return (_make, said)


def _set_errno(error: OSError, native: int) -> None:
    """Windows' codes are translated, as Python does everywhere."""
    error.errno = OSError(0, "", None, native).errno if sys.platform == "win32" else native


class InvalidName(ChannelError, ValueError):
    """The channel name is empty, too long, or has a character outside [A-Za-z0-9._-]."""


class InvalidArgument(ChannelError, ValueError):
    """An option is out of its range, a request has the wrong size, or the server already serves."""


class NameInUse(ChannelError):
    """A live server has this name already."""


class AccessDenied(ChannelError, PermissionError):
    """The operating system refuses this user the channel's objects."""


class NotOwner(ChannelError, PermissionError):
    """The name is held by an object that another user or another kind of program made."""


class LayoutMismatch(ChannelError):
    """The server's messages or protocol version differ from this program's."""


class NoServer(ChannelError, ConnectionError):
    """No server is running under this name."""


class ServerStopped(ChannelError, ConnectionError):
    """The server stopped gracefully before it took the request."""


class ServerDied(ChannelError, ConnectionError):
    """The server's process ended without an answer."""


class Busy(ChannelError):
    """Every slot stayed occupied until the deadline."""


class TimedOut(ChannelError, TimeoutError):
    """The deadline passed before the answer came."""


class Cancelled(ChannelError):
    """The call was cancelled before the answer came."""


class HandlerFailed(ChannelError):
    """The server's handler raised; the message carries the exception's text."""


class MessageTooLarge(ChannelError, ValueError):
    """The message does not fit the channel's slots."""


class WouldDeadlock(ChannelError):
    """A handler called the channel that it serves."""


class Forked(ChannelError):
    """The object was made before fork() and is used in the child."""


class Corrupt(ChannelError):
    """Shared memory holds what no correct peer writes, or a message is not what its description says."""


class OutOfMemory(ChannelError, MemoryError):
    """Memory, or space for shared memory, ran out."""


class SystemFailure(ChannelError, OSError):
    """The operating system refused for a reason of its own; see `native`."""


_classes: dict[str, type[ChannelError]] = {
    "invalid_name": InvalidName,
    "invalid_argument": InvalidArgument,
    "name_in_use": NameInUse,
    "access_denied": AccessDenied,
    "not_owner": NotOwner,
    "layout_mismatch": LayoutMismatch,
    "no_server": NoServer,
    "server_stopped": ServerStopped,
    "server_died": ServerDied,
    "busy": Busy,
    "timed_out": TimedOut,
    "cancelled": Cancelled,
    "handler_failed": HandlerFailed,
    "message_too_large": MessageTooLarge,
    "would_deadlock": WouldDeadlock,
    "forked": Forked,
    "corrupt": Corrupt,
    "out_of_memory": OutOfMemory,
    "system_error": SystemFailure,
}
_by_code: dict[int, type[ChannelError]] = {}


def _make(
    code: int, message: str, native: int, not_executed: bool, promises: bool, passed_on: bool = False
) -> ChannelError:
    error = _by_code.get(code, ChannelError)(message, not_executed=not_executed, native=native)
    error.promises_not_executed = promises
    error.passed_on = passed_on
    return error


def _number_classes() -> None:
    for code, (name, passes) in _native.error_codes().items():
        kind = _classes[name]
        kind.code, kind.name, kind._passes_by_itself = code, name, passes
        _by_code[code] = kind
    _native.set_error_classes(ChannelError, _by_code)


_number_classes()
