"""Values to the bytes of messages and back, by a message's description.

docs/protocol.md, section 3, has the formats. Every value is one of

    numbers, bool           themselves
    char, char[n], string   str (bytes that are no UTF-8 as surrogates); bytes are taken too
    u8[n], vector<u8>       bytes; any buffer is taken
    bytes, opaque           bytes; any buffer is taken
    T[n], vector<T>         list; any sequence or iterable is taken, of numbers also a buffer such as a numpy array
    {A B}, (A B)            tuple; of a single member that member; a dataclass is taken too
    optional<T>             None or the value; of an optional in an optional Some(value)
    variant<A B>            Alternative(index, value); also a value is taken that only one alternative takes
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional, Union

from ._description import DescriptionError, Type, parse, scalar_format
from ._errors import Corrupt

Bytes = Union[bytes, bytearray, memoryview]

_DEEPEST = 200  # parts within parts
_LENGTH = struct.Struct("=I")


@dataclasses.dataclass(frozen=True)
class Alternative:
    """A variant's value, and which of its types it has, counted from 0."""

    index: int
    value: Any


@dataclasses.dataclass(frozen=True)
class Some:
    """The value of an optional that is itself the value of an optional: neither None nor Some(None) is both."""

    value: Any


def malformed(detail: str = "") -> Corrupt:
    """The error of a message that is not what its description says."""
    return Corrupt("the message is not what its description says" + (f": {detail}" if detail else ""))


class Codec:
    """Makes and reads the messages, or parts of messages, of one type. Thread-safe."""

    is_flat = False
    """Whether it travels as its bytes in memory, also as a part."""
    size = 0
    """Of what is flat."""

    def encode(self, value: Any, depth: int = 0) -> bytes:
        """TypeError, ValueError, OverflowError: the value is none of this type."""
        raise NotImplementedError

    def decode(self, data: Bytes, depth: int = 0) -> Any:
        """Corrupt: the bytes are no message of this type."""
        raise NotImplementedError

    def encode_part(self, value: Any, depth: int) -> bytes:
        """The same inside of another message."""
        if self.is_flat:
            return self.encode(value, depth)
        if depth >= _DEEPEST:
            raise ValueError("the value has parts within parts more than 200 deep")
        encoded = self.encode(value, depth + 1)
        return _LENGTH.pack(len(encoded)) + encoded

    def decode_part(self, reader: _Reader, depth: int) -> Any:
        """The same, of what comes next."""
        if self.is_flat:
            return self.decode(reader.take(self.size), depth)
        if depth >= _DEEPEST:
            raise malformed("parts within parts more than 200 deep")
        return self.decode(reader.take(reader.number()), depth + 1)


class _Reader:
    """What is left of a message. Believes nothing."""

    def __init__(self, data: Bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> memoryview:
        if count > len(self._data) - self._at:
            raise malformed("it ends too soon")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        return int(_LENGTH.unpack(self.take(4))[0])

    def finish(self) -> None:
        if self:
            raise malformed("bytes are left over")


# ---- what travels as its bytes in memory ----


class _Flat(Codec):
    """One that the struct module can be told about: `format` takes `count` values."""

    is_flat = True
    format = ""
    count = 1

    def spread(self, value: Any, into: list[Any]) -> None:
        """Appends the values for the struct module."""
        into.append(value)

    def gather(self, values: tuple[Any, ...], at: int) -> Any:
        """The value of those from `at` on."""
        return values[at]

    def seal(self, size: int) -> None:
        """Once format and count are known."""
        self._struct = struct.Struct("=" + self.format)
        self.size = self._struct.size
        if self.size != size:
            raise DescriptionError(f"{self.size} bytes are described, and {size} are meant")

    def encode(self, value: Any, depth: int = 0) -> bytes:
        values: list[Any] = []
        self.spread(value, values)
        try:
            return self._struct.pack(*values)
        except struct.error as error:
            raise ValueError(str(error)) from None

    def decode(self, data: Bytes, depth: int = 0) -> Any:
        if len(data) != self.size:
            raise malformed(f"it has {len(data)} bytes and should have {self.size}")
        return self.gather(self._struct.unpack(data), 0)

    def decode_all(self, data: Bytes) -> list[Any]:
        """Of one value after another."""
        if self.size == 0 or len(data) % self.size:
            raise malformed("an element is cut off")
        return [self.gather(values, 0) for values in self._struct.iter_unpack(data)]


class _Number(_Flat):
    def __init__(self, format: str, size: int) -> None:
        self.format = format
        self.seal(size)


class _Bool(_Number):
    def decode(self, data: Bytes, depth: int = 0) -> Any:
        if len(data) == 1 and data[0] > 1:
            raise malformed("a bool is neither 0 nor 1")
        return super().decode(data, depth)


class _Chunk(_Flat):
    """What the struct module takes for a number of bytes."""

    def __init__(self, size: int) -> None:
        self.format = f"{size}s"
        self.seal(size)

    def to_chunk(self, value: Any) -> bytes:
        chunk = _bytes_of(value)
        if len(chunk) != self.size:
            raise ValueError(f"{self.size} bytes are needed, not {len(chunk)}")
        return chunk

    def from_chunk(self, chunk: bytes) -> Any:
        return chunk

    def spread(self, value: Any, into: list[Any]) -> None:
        into.append(self.to_chunk(value))

    def gather(self, values: tuple[Any, ...], at: int) -> Any:
        return self.from_chunk(values[at])


class _Text(_Chunk):
    """char and char[n]: filled up with zeros."""

    def __init__(self, size: int, is_single: bool = False) -> None:
        super().__init__(size)
        self.is_single = is_single  # a char, which may be zero itself

    def to_chunk(self, value: Any) -> bytes:
        chunk = _text_bytes(value)
        if len(chunk) > self.size:
            raise ValueError(f"there is room for {self.size} bytes of text, not for {len(chunk)}")
        return chunk.ljust(self.size, b"\0")

    def from_chunk(self, chunk: bytes) -> Any:
        return _text(chunk if self.is_single else chunk.rstrip(b"\0"))


class _FlatArray(_Chunk):
    def __init__(self, element: _Flat, count: int) -> None:
        self._elements = _elements_of(element)
        self._length = count
        super().__init__(element.size * count)

    def to_chunk(self, value: Any) -> bytes:
        chunk = self._elements.pack(value)
        if len(chunk) != self.size:
            raise ValueError(f"{self._length} elements are needed")
        return chunk

    def from_chunk(self, chunk: bytes) -> Any:
        return self._elements.unpack(chunk)


class _FlatStruct(_Flat):
    def __init__(self, described: Type) -> None:
        self._members: list[_Flat] = []
        self.count, at, pieces = 0, 0, []
        for part in described.parts:
            padding = -at % part.align
            member = _flat(part)
            pieces.append((f"{padding}x" if padding else "") + member.format)
            self._members.append(member)
            self.count += member.count
            at += padding + part.size
        if at != described.size:
            pieces.append(f"{described.size - at}x")
        self.format = "".join(pieces)
        self.seal(described.size)
        self.is_plain = len(self._members) > 1 and all(isinstance(member, _Number) for member in self._members)
        if self.is_plain:
            self.pack, self.unpack = self._struct.pack, self._struct.unpack

    def spread(self, value: Any, into: list[Any]) -> None:
        for member, given in zip(self._members, members_of(value, len(self._members))):
            member.spread(given, into)

    def gather(self, values: tuple[Any, ...], at: int) -> Any:
        if self.is_plain:
            return values if len(values) == self.count else values[at : at + self.count]
        gathered = []
        for member in self._members:
            gathered.append(member.gather(values, at))
            at += member.count
        return gathered[0] if len(gathered) == 1 else tuple(gathered)


def _flat(described: Type) -> _Flat:
    format = scalar_format(described)
    if format == "?":
        return _Bool(format, described.size)
    if format:
        return _Number(format, described.size)
    if described.kind == "char":
        return _Text(1, is_single=True)
    if described.kind == "opaque":
        return _Chunk(described.size)
    if described.kind == "struct":
        return _FlatStruct(described)
    if described.kind != "array":
        raise DescriptionError(f"nobody can tell how {described.kind} lies in memory")
    element = described.parts[0]
    if element.kind == "char":
        return _Text(described.size)
    if element.kind == "u8":
        return _Chunk(described.size)
    return _FlatArray(_flat(element), described.count)


# ---- elements one after another ----


class _Elements:
    """Of any flat type, as a list."""

    def __init__(self, element: _Flat) -> None:
        self._element = element
        if element.size == 0:
            raise DescriptionError("elements of no bytes are described")

    def pack(self, value: Any) -> bytes:
        return b"".join(map(self._element.encode, _iterable(value)))

    def unpack(self, data: Bytes) -> Any:
        return self._element.decode_all(data)


class _Octets(_Elements):
    def pack(self, value: Any) -> bytes:
        return _bytes_of(value)

    def unpack(self, data: Bytes) -> Any:
        return bytes(data)


class _Characters(_Elements):
    def pack(self, value: Any) -> bytes:
        return _text_bytes(value)

    def unpack(self, data: Bytes) -> Any:
        return _text(bytes(data))


class _Numbers(_Elements):
    """Of a type that buffers have, too."""

    _kinds = {**dict.fromkeys("bhilqn", "i"), **dict.fromkeys("BHILQN", "u"), **dict.fromkeys("fd", "f"), "?": "?"}

    def pack(self, value: Any) -> bytes:
        ready = self._from_buffer(value)
        if ready is not None:
            return ready
        values = value if isinstance(value, (list, tuple)) else list(_iterable(value))
        try:
            return struct.pack(f"={len(values)}{self._element.format}", *values)
        except struct.error as error:
            raise ValueError(str(error)) from None

    def _from_buffer(self, value: Any) -> Optional[bytes]:
        """The bytes of a buffer whose elements are ours as they are."""
        if isinstance(value, (list, tuple, str)):
            return None
        try:
            view = memoryview(value)
        except TypeError:
            return None
        with view:
            is_ours = self._kinds.get(view.format) == self._kinds[self._element.format]
            return view.tobytes() if is_ours and view.itemsize == self._element.size else None

    def unpack(self, data: Bytes) -> Any:
        if len(data) % self._element.size:
            raise malformed("an element is cut off")
        count = len(data) // self._element.size
        return list(struct.unpack(f"={count}{self._element.format}", data))


class _Bools(_Numbers):
    def unpack(self, data: Bytes) -> Any:
        if data and max(bytes(data)) > 1:
            raise malformed("a bool is neither 0 nor 1")
        return super().unpack(data)


def _elements_of(element: _Flat) -> _Elements:
    if isinstance(element, _Bool):
        return _Bools(element)
    if isinstance(element, _Number):
        return _Octets(element) if element.format == "B" else _Numbers(element)
    if isinstance(element, _Text) and element.is_single:
        return _Characters(element)
    return _Elements(element)


# ---- what varies in length ----


class _Whole(Codec):
    """All the bytes that there are: bytes, and what only a Codec of the program's own knows."""

    def encode(self, value: Any, depth: int = 0) -> bytes:
        return _bytes_of(value)

    def decode(self, data: Bytes, depth: int = 0) -> Any:
        return bytes(data)


class _String(Codec):
    def encode(self, value: Any, depth: int = 0) -> bytes:
        return _text_bytes(value)

    def decode(self, data: Bytes, depth: int = 0) -> Any:
        return _text(bytes(data))


class _FlatVector(Codec):
    def __init__(self, element: _Flat) -> None:
        self._elements = _elements_of(element)

    def encode(self, value: Any, depth: int = 0) -> bytes:
        return self._elements.pack(value)

    def decode(self, data: Bytes, depth: int = 0) -> Any:
        return self._elements.unpack(data)


class _Parted(Codec):
    """One that is made of parts, whose codecs it gets later: they may contain itself."""

    def __init__(self) -> None:
        self.parts: list[Codec] = []


class _Vector(_Parted):
    def encode(self, value: Any, depth: int = 0) -> bytes:
        if isinstance(value, Mapping):
            value = value.items()
        return b"".join(self.parts[0].encode_part(element, depth) for element in _iterable(value))

    def decode(self, data: Bytes, depth: int = 0) -> Any:
        reader, values = _Reader(data), []
        while reader:
            values.append(self.parts[0].decode_part(reader, depth))
        return values


class _Array(_Parted):
    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def encode(self, value: Any, depth: int = 0) -> bytes:
        values = list(_iterable(value))
        if len(values) != self._count:
            raise ValueError(f"{self._count} elements are needed, not {len(values)}")
        return b"".join(self.parts[0].encode_part(element, depth) for element in values)

    def decode(self, data: Bytes, depth: int = 0) -> Any:
        reader, values = _Reader(data), []
        for _ in range(self._count):
            values.append(self.parts[0].decode_part(reader, depth))
        reader.finish()
        return values


class _Members(_Parted):
    """A struct, pair or tuple."""

    def encode(self, value: Any, depth: int = 0) -> bytes:
        given = members_of(value, len(self.parts))
        return b"".join(part.encode_part(one, depth) for part, one in zip(self.parts, given))

    def decode(self, data: Bytes, depth: int = 0) -> Any:
        reader = _Reader(data)
        values = tuple([part.decode_part(reader, depth) for part in self.parts])
        reader.finish()
        return values[0] if len(values) == 1 else values


class _Optional(_Parted):
    def __init__(self, is_nested: bool) -> None:
        super().__init__()
        self._is_nested = is_nested

    def encode(self, value: Any, depth: int = 0) -> bytes:
        if value is None:
            return b"\0"
        if self._is_nested:
            if not isinstance(value, Some):
                raise TypeError(f"an optional of an optional is None or Some(value), not {value!r}")
            value = value.value
        return b"\1" + self.parts[0].encode_part(value, depth)

    def decode(self, data: Bytes, depth: int = 0) -> Any:
        reader = _Reader(data)
        present = reader.take(1)[0]
        if present > 1:
            raise malformed("an optional is neither there nor not")
        value = self.parts[0].decode_part(reader, depth) if present else None
        reader.finish()
        return Some(value) if present and self._is_nested else value


class _Variant(_Parted):
    def encode(self, value: Any, depth: int = 0) -> bytes:
        if isinstance(value, Alternative):
            if not 0 <= value.index < len(self.parts):
                raise ValueError(f"a variant has {len(self.parts)} alternatives, and none is number {value.index}")
            return self._encoded(value.index, value.value, depth)
        fitting = [encoded for encoded in self._attempts(value, depth)]
        if len(fitting) != 1:
            raise TypeError(f"{len(fitting)} alternatives of a variant take {value!r}; use Alternative(index, value)")
        return fitting[0]

    def _encoded(self, index: int, value: Any, depth: int) -> bytes:
        return _LENGTH.pack(index) + self.parts[index].encode_part(value, depth)

    def _attempts(self, value: Any, depth: int) -> Iterable[bytes]:
        for index in range(len(self.parts)):
            try:
                yield self._encoded(index, value, depth)
            except (TypeError, ValueError, OverflowError):
                continue

    def decode(self, data: Bytes, depth: int = 0) -> Any:
        reader = _Reader(data)
        index = reader.number()
        if index >= len(self.parts):
            raise malformed("a variant has no such alternative")
        value = self.parts[index].decode_part(reader, depth)
        reader.finish()
        return Alternative(index, value)


# ---- values ----


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, (str, int)):
        raise TypeError(f"bytes or a buffer are needed, not {type(value).__name__}")
    with memoryview(value) as view:
        return view.tobytes()


def _text_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return _bytes_of(value)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _iterable(value: Any) -> Iterable[Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(f"a sequence is needed, not {type(value).__name__}")
    return value


def members_of(value: Any, count: int) -> Iterable[Any]:
    """A struct's members: of a dataclass its fields, of a single member the value itself."""
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, Some, Alternative)):
        fields = dataclasses.fields(value)
        if count == 1 and len(fields) != 1:
            return (value,)
        members: Any = tuple(getattr(value, field.name) for field in fields)
    elif count == 1 and not (isinstance(value, tuple) and hasattr(value, "_fields") and len(value) == 1):
        return (value,)
    elif isinstance(value, (tuple, list)):
        members = value
    else:
        raise TypeError(f"a tuple of {count} members is needed, not {type(value).__name__}")
    if len(members) != count:
        raise TypeError(f"{count} members are needed, not {len(members)}")
    return members  # type: ignore[no-any-return]


# ---- from a description to its codec ----


def _parted(described: Type) -> _Parted:
    makers: dict[str, Callable[[], _Parted]] = {
        "vector": _Vector,
        "optional": lambda: _Optional(described.parts[0].kind == "optional"),
        "variant": _Variant,
        "struct": _Members,
        "tuple": _Members,
        "array": lambda: _Array(described.count),
    }
    return makers[described.kind]()


def _compile(described: Type, around: tuple[Codec, ...]) -> Codec:
    if described.kind == "outer":
        return around[-described.count]
    if described.kind == "string":
        return _String()
    if described.kind in ("bytes", "coded"):
        return _Whole()
    if described.is_flat:
        return _flat(described)
    if described.kind == "vector" and described.parts[0].is_flat:
        return _FlatVector(_flat(described.parts[0]))
    codec = _parted(described)
    codec.parts = [_compile(part, (*around, codec)) for part in described.parts]
    return codec


def codec_of(described: Type) -> Codec:
    """The codec of a message of this type. DescriptionError: nobody can tell how it travels."""
    return _compile(described, ())


class Message:
    """One of a channel's two messages: its description and its codec."""

    def __init__(self, description: str) -> None:
        self.description = description
        try:
            self.type = parse(description)
            self.codec = codec_of(self.type)
        except RecursionError:
            raise DescriptionError("the description has types within types too deep") from None
        self.count = len(self.type.parts) if self.type.kind in ("struct", "tuple") else 1
        plain = self.codec if isinstance(self.codec, _FlatStruct) and self.codec.is_plain else None
        self._pack: Optional[Callable[..., bytes]] = plain.pack if plain else None
        self._unpack: Optional[Callable[[Bytes], Any]] = plain.unpack if plain else None

    def encode(self, values: tuple[Any, ...]) -> bytes:
        """Of the members, or of the whole value alone."""
        if self._pack and len(values) == self.count:
            try:
                return self._pack(*values)
            except struct.error as error:
                raise ValueError(f"{error}; the message is {self.description}") from None
        if len(values) not in (1, self.count):
            raise TypeError(f"{self.count} values make a message {self.description}, not {len(values)}")
        try:
            return self.codec.encode(values[0] if len(values) == 1 else values)
        except RecursionError:
            raise ValueError("the value has parts within parts too deep") from None

    def decode(self, data: Bytes) -> Any:
        """Corrupt: the bytes are no such message."""
        if self._unpack:
            try:
                return self._unpack(data)
            except struct.error:
                raise malformed(f"it has {len(data)} bytes") from None
        try:
            return self.codec.decode(data)
        except RecursionError:
            raise malformed("parts within parts too deep") from None
