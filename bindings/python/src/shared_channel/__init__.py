"""SharedChannel: call a function in another process of the same machine, through shared memory.

    import shared_channel as sc                  import shared_channel as sc

    adder = sc.Client("adder")                   @sc.serve("adder", "{i32 i32}", "{i32}")
    print(adder.call(2, 3))                      def add(a, b):
                                                     return a + b

                                                 add.run()
"""

import os as _os
import threading as _threading

from . import _native
from ._annotations import Described, char, describe, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64
from ._async import Completions
from ._client import DEFAULT_TIMEOUT, Client
from ._codec import Alternative, Some
from ._description import DescriptionError
from ._errors import (
    AccessDenied,
    Busy,
    Cancelled,
    ChannelError,
    Corrupt,
    Forked,
    HandlerFailed,
    InvalidArgument,
    InvalidName,
    LayoutMismatch,
    MessageTooLarge,
    NameInUse,
    NoServer,
    NotOwner,
    OutOfMemory,
    ServerDied,
    ServerStopped,
    SystemFailure,
    TimedOut,
    WouldDeadlock,
)
from ._inspection import CallInfo, ChannelInfo, MessageShape, ServerStats, inspect, list_channels
from ._native import CallContext, Draft, Reply, current_call
from ._server import Server, Service, _forget_all, serve

__version__ = ".".join(map(str, _native.version))

__all__ = [
    "AccessDenied",
    "Alternative",
    "Busy",
    "CallContext",
    "CallInfo",
    "Cancelled",
    "ChannelError",
    "ChannelInfo",
    "Client",
    "Corrupt",
    "DEFAULT_TIMEOUT",
    "Described",
    "DescriptionError",
    "Draft",
    "Forked",
    "HandlerFailed",
    "InvalidArgument",
    "InvalidName",
    "LayoutMismatch",
    "MessageShape",
    "MessageTooLarge",
    "NameInUse",
    "NoServer",
    "NotOwner",
    "OutOfMemory",
    "Reply",
    "Server",
    "ServerDied",
    "ServerStats",
    "ServerStopped",
    "Service",
    "Some",
    "SystemFailure",
    "TimedOut",
    "WouldDeadlock",
    "char",
    "current_call",
    "describe",
    "f32",
    "f64",
    "i16",
    "i32",
    "i64",
    "i8",
    "inspect",
    "list_channels",
    "serve",
    "u16",
    "u32",
    "u64",
    "u8",
]


def _after_fork() -> None:
    _native.note_main_thread(_threading.get_ident())
    _forget_all()
    Completions.after_fork()


_native.note_main_thread(_threading.main_thread().ident or 0)
if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(after_in_child=_after_fork)
