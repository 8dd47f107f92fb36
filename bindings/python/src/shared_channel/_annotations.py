"""Python's types as descriptions, and decoded values as instances of them."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import types
import typing
from typing import Annotated, Any, Callable, Iterable, Union

from ._codec import Alternative, Some
from ._description import DescriptionError, Type, parse

Convert = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class Described:
    """In Annotated: how a type travels, e.g. Annotated[int, Described("i32")]."""

    description: str


char = Annotated[str, Described("char")]
i8 = Annotated[int, Described("i8")]
u8 = Annotated[int, Described("u8")]
i16 = Annotated[int, Described("i16")]
u16 = Annotated[int, Described("u16")]
i32 = Annotated[int, Described("i32")]
u32 = Annotated[int, Described("u32")]
i64 = Annotated[int, Described("i64")]
u64 = Annotated[int, Described("u64")]
f32 = Annotated[float, Described("f32")]
f64 = Annotated[float, Described("f64")]

_plain = {bool: "bool", int: "i64", float: "f64", str: "string"}
_sequences = (list, collections.abc.Sequence)


def fields_of(kind: Any) -> Union[dict[str, Any], None]:
    """The members of a dataclass or NamedTuple with their types; None of other types."""
    if not isinstance(kind, type):
        return None
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
        names = list(kind._fields)
    else:
        return None
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name: hints.get(name, Any) for name in names}


def describe(kind: Any, is_part: bool = False) -> str:
    """The description of what a Python type stands for. TypeError: of none.

    int is i64 and float f64; list[T] is vector<T>, tuple[A, B] a pair or tuple, tuple[T, ...] a vector, A | None an
    optional, A | B a variant, dict[K, V] vector<(K V)>, a dataclass or NamedTuple a struct, with its attribute `schema`
    as in C++. bytes is a whole message of any bytes, and vector<u8> inside of one.
    """
    if isinstance(kind, str):
        return kind
    arguments = typing.get_args(kind)
    origin = typing.get_origin(kind)
    if origin is Annotated:
        marks = [mark.description for mark in arguments[1:] if isinstance(mark, Described)]
        return marks[0] if marks else describe(arguments[0], is_part)
    if kind is bytes:
        return "vector<u8>" if is_part else "bytes"
    if kind in _plain:
        return _plain[kind]
    if origin is not None:
        return _describe_generic(kind, origin, arguments)
    fields = fields_of(kind)
    if fields is None:
        raise TypeError(f"no description for {kind!r}; give it as Annotated[…, Described('…')]")
    schema = getattr(kind, "schema", "")
    return describe_members(fields.values()) + (f"#{schema}" if schema else "")


def describe_members(kinds: Iterable[Any]) -> str:
    """The description of a struct of these.

    One of numbers and optionals only would travel as C++ has it in memory, which differs from compiler to compiler:
    such are described as a tuple.
    """
    members = " ".join(describe(kind, True) for kind in kinds)
    try:
        parse("{" + members + "}").is_flat
    except DescriptionError:
        return f"({members})"
    return "{" + members + "}"


def _describe_generic(kind: Any, origin: Any, arguments: tuple[Any, ...]) -> str:
    if origin in _sequences:
        return f"vector<{describe(arguments[0], True)}>"
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return f"vector<{describe(arguments[0], True)}>"
        return "(" + " ".join(describe(argument, True) for argument in arguments) + ")"
    if origin in (dict, collections.abc.Mapping):
        return f"vector<({describe(arguments[0], True)} {describe(arguments[1], True)})>"
    if origin in (Union, types.UnionType):
        held = [describe(argument, True) for argument in arguments if argument is not type(None)]
        inner = held[0] if len(held) == 1 else f"variant<{' '.join(held)}>"
        return f"optional<{inner}>" if len(held) != len(arguments) else inner
    raise TypeError(f"no description for {kind!r}; give it as Annotated[…, Described('…')]")


def _as_it_is(value: Any) -> Any:
    return value


def conversion(kind: Any, described: Type) -> Convert:
    """Makes instances of `kind` of decoded values. TypeError: the type does not go with the description."""
    return _Conversions().of(kind, described, ())


def _spread(described: Type, value: Any) -> Any:
    """A struct's members: those of a single one stand alone."""
    return (value,) if len(described.parts) == 1 else value


class _Conversions:
    """Those of one message. Types may contain themselves: one that is still being made is looked up when it is used."""

    def __init__(self) -> None:
        self._made: dict[tuple[Any, int], Union[Convert, None]] = {}

    def of(self, kind: Any, described: Type, around: tuple[Type, ...]) -> Convert:
        """`around` are the types that the description has around this one."""
        if typing.get_origin(kind) is Annotated:
            kind = typing.get_args(kind)[0]
        if described.kind == "outer":
            at = len(around) - described.count
            described, around = around[at], around[:at]
        key = (kind, id(described))
        if key not in self._made:
            self._made[key] = None
            self._made[key] = self._make(kind, described, (*around, described))
        return self._made[key] or (lambda value: self._made[key](value))  # type: ignore[misc]

    def _make(self, kind: Any, described: Type, around: tuple[Type, ...]) -> Convert:
        fields = fields_of(kind)
        if fields is not None:
            return self._instances(kind, list(fields.values()), described, around)
        arguments, origin = typing.get_args(kind), typing.get_origin(kind)
        if origin in (Union, types.UnionType):
            return self._union(arguments, described, around)
        if origin in (dict, collections.abc.Mapping) and described.kind == "vector":
            return _all(dict, self.of(tuple[arguments], described.parts[0], around))  # type: ignore[valid-type]
        if origin in _sequences and described.parts:
            return _all(list, self.of(arguments[0], described.parts[0], around))
        if origin is tuple and described.parts:
            return self._tuple(arguments, described, around)
        return _as_it_is

    def _instances(self, kind: Any, members: list[Any], described: Type, around: tuple[Type, ...]) -> Convert:
        is_struct = described.kind in ("struct", "tuple")
        if is_struct and len(described.parts) == 1 and len(members) != 1:
            return self.of(kind, described.parts[0], around)  # which stands alone
        if not is_struct or len(described.parts) != len(members):
            raise TypeError(f"{kind.__name__} has {len(members)} members; the message does not")
        converts = [self.of(member, part, around) for member, part in zip(members, described.parts)]
        if all(convert is _as_it_is for convert in converts):
            return lambda value: kind(*_spread(described, value))
        return lambda value: kind(*(convert(one) for convert, one in zip(converts, _spread(described, value))))

    def _union(self, arguments: tuple[Any, ...], described: Type, around: tuple[Type, ...]) -> Convert:
        held = [argument for argument in arguments if argument is not type(None)]
        if described.kind == "optional":
            inner = self.of(held[0] if len(held) == 1 else Union[tuple(held)], described.parts[0], around)
            return functools.partial(_optional, inner)
        if described.kind != "variant" or len(described.parts) != len(held):
            raise TypeError(f"{len(held)} alternatives are given; the message has others")
        converts = [self.of(argument, part, around) for argument, part in zip(held, described.parts)]
        return functools.partial(_alternative, converts)

    def _tuple(self, arguments: tuple[Any, ...], described: Type, around: tuple[Type, ...]) -> Convert:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return _all(tuple, self.of(arguments[0], described.parts[0], around))
        is_array = described.kind == "array" and described.count == len(arguments)
        parts = described.parts * len(arguments) if is_array else described.parts
        if len(parts) != len(arguments):
            raise TypeError(f"{len(arguments)} members are given; the message has others")
        converts = [self.of(argument, part, around) for argument, part in zip(arguments, parts)]
        return lambda value: tuple(convert(one) for convert, one in zip(converts, _spread(described, value)))


def _optional(inner: Convert, value: Any) -> Any:
    if value is None:
        return None
    return inner(value.value if isinstance(value, Some) else value)


def _alternative(converts: list[Convert], value: Alternative) -> Any:
    return converts[value.index](value.value)


def _all(make: Callable[[Any], Any], convert: Convert) -> Convert:
    if convert is _as_it_is and make is list:
        return _as_it_is
    return lambda values: make([convert(value) for value in values])
