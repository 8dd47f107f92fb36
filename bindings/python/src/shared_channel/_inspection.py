"""A look at the channels of this machine from outside, which changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, Optional

from . import _native


@dataclass(frozen=True)
class ServerStats:
    """What a server has done so far, and is doing. Each call that it knows of is in one of the first six."""

    done: int
    """Answered by the handler."""
    failed: int
    """The handler raised, passed an error on, or its answer was too large."""
    refused: int
    """Came too late for a handler: the server stopped."""
    withdrawn: int
    """Given up by their callers before a handler saw them."""
    abandoned: int
    """Given up while the handler ran."""
    malformed: int
    """The request could not be decoded."""
    damaged: int
    """Slots found in a state that no correct client leaves, and reset."""
    running: int
    """Calls in a handler."""
    waiting: int
    """Calls that no handler has yet seen."""
    longest_running: float
    """Seconds that the caller of the longest of the running calls has waited."""


@dataclass(frozen=True)
class MessageShape:
    """One of a channel's two messages."""

    size: int
    """Bytes: exactly so many, or of a message that varies in length at most so many."""
    align: int
    is_variable: bool
    description: str


@dataclass(frozen=True)
class CallInfo:
    """One call in flight. Times are in seconds, as its caller states them."""

    slot: int
    state: Literal["preparing", "queued", "running", "abandoned", "answered"]
    number: int
    process_id: int
    is_caller_alive: bool
    waited: Optional[float]
    left: Optional[float]
    """Negative if the caller is late, inf if it waits forever."""


@dataclass(frozen=True)
class ChannelInfo:
    """How a channel stands. Where nothing was found, or it is no_access or unreadable, members are empty."""

    name: str
    state: Literal["open", "stopping", "starting", "dead", "no_access", "unreadable"]
    problem: str
    """A sentence, for no_access and unreadable."""
    generation: int
    """Another number for each server of the name."""
    protocol_version: int
    process_id: int
    program: str
    user: str
    started: Optional[datetime]
    access: str
    """Who may call: mode bits in octal; on Windows SDDL."""
    memory: int
    """Bytes of shared memory."""
    request: MessageShape
    reply: MessageShape
    max_calls: int
    calls: tuple[CallInfo, ...]
    """In flight, in the order of their slots."""
    is_slot_awaited: bool
    clients: int
    clients_so_far: int
    sleeping_threads: int
    slots_used: int
    calls_so_far: int
    stats: ServerStats
    """As the server last wrote them."""
    stats_age: Optional[float]
    """Seconds; None if they were not written yet."""


def list_channels(scope: Literal["session", "machine"] = "session") -> list[str]:
    """The names of all channels that the system shows to this user, sorted; also of what killed servers left."""
    return _native.list_channels(scope)


def inspect(name: str, scope: Literal["session", "machine"] = "session") -> ChannelInfo:
    """How the channel of a name stands at about this moment. InvalidName; NoServer: there is nothing of that name."""
    found: dict[str, Any] = _native.inspect(name, scope)
    started = found.pop("started")
    return ChannelInfo(
        started=None if started is None else datetime.fromtimestamp(started, timezone.utc),
        request=MessageShape(*found.pop("request")),
        reply=MessageShape(*found.pop("reply")),
        calls=tuple(CallInfo(**call) for call in found.pop("calls")),
        stats=ServerStats(**found.pop("stats")),
        **found,
    )
