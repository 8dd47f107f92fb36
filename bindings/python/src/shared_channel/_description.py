"""Reads descriptions of message types, such as `{i32 f64[3] string}`, which may come from anywhere.

docs/protocol.md, section 12, has their grammar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Callable, Optional

_DEEPEST = 200  # as deep as codecs go
_LARGEST = 1 << 30  # of a message, in bytes
_FULL_LENGTH = 1788  # of a server page's description: a longer one ends in a tilde and a hash

SCALARS = {
    "bool": "?",
    "char": "c",
    "i8": "b",
    "u8": "B",
    "i16": "h",
    "u16": "H",
    "i32": "i",
    "u32": "I",
    "i64": "q",
    "u64": "Q",
    "f32": "f",
    "f64": "d",
}
_SIZES = {"?": 1, "c": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8}
_NAME = r"[^\x00-\x20{}()<>\[\]#\x7f-\U0010ffff]+"  # printable, up to what can follow a type


class DescriptionError(ValueError):
    """A description that nobody can make messages by; the message says why."""


@dataclass(frozen=True)
class Type:
    """A described type.

    `kind` is a scalar's name or one of array, struct, tuple, string, vector, optional, variant, bytes, opaque (of a
    known size), coded (only the program's own Codec knows) and outer (an enclosing type, `count` levels further out).
    """

    kind: str
    parts: tuple[Type, ...] = ()
    count: int = 0
    schema: str = ""
    size: int = 0
    align: int = 1
    has_layout: bool = False
    """Whether we know how it lies in memory, in `size` bytes aligned to `align`."""
    is_trivial: bool = False
    """Whether C++ calls it trivially copyable: what holds nothing else is copied as it lies in memory."""

    @property
    def is_flat(self) -> bool:
        """Whether it travels as its bytes in memory, also as a part of a message."""
        if self.kind in ("optional", "variant") or not self.is_trivial:
            return False
        if self.kind == "array":
            return self.parts[0].is_flat
        if not self.has_layout:
            raise DescriptionError("nobody can tell how a struct that holds an optional or a variant lies in memory")
        return True


def parse(description: str) -> Type:
    """The described type. DescriptionError if the text is no description, or is only the beginning of one."""
    if len(description) == _FULL_LENGTH and re.search("~[0-9a-f]{16}$", description):
        raise DescriptionError("the description is too long to be known in full")
    parsed = _Parser(description).whole()
    _check_closed(parsed, 0)
    return parsed


def _check_closed(described: Type, depth: int) -> None:
    """Every ^n has so many types around it."""
    if described.kind == "outer" and not 1 <= described.count <= depth:
        raise DescriptionError(f"^{described.count} names a type outside of the description")
    for part in described.parts:
        _check_closed(part, depth + 1)


def _round_up(value: int, multiple: int) -> int:
    return (value + multiple - 1) // multiple * multiple


def struct_of(parts: tuple[Type, ...]) -> Type:
    """Members one after another, each at the next place that suits it."""
    size, align = 0, 1
    for part in parts:
        size = _round_up(size, part.align) + part.size
        align = max(align, part.align)
    size = _round_up(size, align)
    if size > _LARGEST:
        raise DescriptionError(f"a struct has {size} bytes")
    has_layout = all(part.has_layout for part in parts)
    is_trivial = all(part.is_trivial for part in parts)
    return Type("struct", parts, size=size, align=align, has_layout=has_layout, is_trivial=is_trivial)


def _array_of(element: Type, count: int) -> Type:
    # Each element costs us something, whatever it holds.
    if count > _LARGEST // max(element.size, 1):
        raise DescriptionError(f"an array has {count} elements")
    return Type(
        "array",
        (element,),
        count,
        size=element.size * count,
        align=element.align,
        has_layout=element.has_layout,
        is_trivial=element.is_trivial,
    )


class _Parser:
    """Takes a text apart from left to right; a kind of type is a method, found by its first character or its word."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._words: dict[str, Callable[[int], Type]] = {
            "string": lambda depth: Type("string"),
            "bytes": lambda depth: Type("bytes"),
            "opaque": lambda depth: self._opaque(),
            "vector": lambda depth: self._holder("vector", depth),
            "optional": lambda depth: self._holder("optional", depth),
            "variant": lambda depth: self._holder("variant", depth),
        }

    def whole(self) -> Type:
        described = self._type(0)
        if self._at != len(self._text):
            raise self._error("nothing more")
        return described

    def _error(self, expected: str) -> DescriptionError:
        shown = self._text if len(self._text) <= 200 else self._text[:200] + "…"
        return DescriptionError(f"the description {shown!r} is none: {expected} is expected at {self._at}")

    def _type(self, depth: int) -> Type:
        if depth > _DEEPEST:
            raise DescriptionError("the description has types within types more than 200 deep")
        described = self._plain(depth)
        while True:
            if self._take("["):
                described = _array_of(described, self._number())
                self._expect("]")
            elif self._take("#"):
                described = replace(described, schema=self._match(_NAME, "a schema's name"))
            else:
                return described

    def _plain(self, depth: int) -> Type:
        if self._take("{"):
            return struct_of(self._parts("}", depth))
        if self._take("("):
            return Type("tuple", self._parts(")", depth))
        if self._take("^"):
            return Type("outer", count=self._number())
        word = self._match("[a-z][a-z0-9]*", "a type")
        if word in SCALARS:
            size = _SIZES[SCALARS[word]]
            return Type(word, size=size, align=size, has_layout=True, is_trivial=True)
        if word not in self._words:
            raise self._error("a type")
        return self._words[word](depth)

    def _holder(self, kind: str, depth: int) -> Type:
        self._expect("<")
        parts = self._parts(">", depth)
        if not parts or (kind != "variant" and len(parts) != 1):
            raise self._error("one type")
        is_trivial = kind != "vector" and all(part.is_trivial for part in parts)
        return Type(kind, parts, is_trivial=is_trivial)

    def _opaque(self) -> Type:
        if not self._take("("):
            return Type("coded")
        size = self._number()
        self._expect(",")
        align = self._number()
        self._expect(")")
        if size > _LARGEST or align & (align - 1) or not 1 <= align <= 4096:
            raise DescriptionError(f"opaque({size},{align}) is no type")
        return Type("opaque", size=size, align=align, has_layout=True, is_trivial=True)

    def _parts(self, end: str, depth: int) -> tuple[Type, ...]:
        if self._take(end):
            return ()
        parts = [self._type(depth + 1)]
        while self._take(" "):
            parts.append(self._type(depth + 1))
        self._expect(end)
        return tuple(parts)

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._error(repr(text))

    def _match(self, pattern: str, expected: str) -> str:
        found = re.compile(pattern).match(self._text, self._at)
        if not found:
            raise self._error(expected)
        self._at = found.end()
        return found.group()

    def _number(self) -> int:
        return int(self._match("(?:0|[1-9][0-9]{0,9})(?![0-9])", "a number"))


def scalar_format(described: Type) -> Optional[str]:
    """What the struct module calls a number or a bool; None of other types."""
    return SCALARS.get(described.kind) if described.kind != "char" else None
