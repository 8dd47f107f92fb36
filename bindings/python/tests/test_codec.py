"""Values and their bytes."""

import array
import dataclasses
import random
import struct
from typing import Any, NamedTuple

import pytest
from systems import np

import shared_channel as sc
from shared_channel._annotations import conversion
from shared_channel._codec import Message


class Numbers(NamedTuple):
    a: int
    b: int


@dataclasses.dataclass
class Only:
    name: Any


@dataclasses.dataclass
class Pair:
    a: int
    b: int


@pytest.mark.parametrize(
    "description, value, data",
    [
        ("i32", -2, struct.pack("=i", -2)),
        ("bool", True, b"\1"),
        ("char", "x", b"x"),
        ("{i32 i32}", (2, 3), struct.pack("=ii", 2, 3)),
        ("{i32}", 5, struct.pack("=i", 5)),
        (
            "{char f64 u16[3] bool}",
            ("x", 1.5, [1, 2, 3], True),
            b"x" + bytes(7) + struct.pack("=d3H?x", 1.5, 1, 2, 3, 1),
        ),
        ("char[5]", "abc", b"abc\0\0"),
        ("char", "\0", b"\0"),
        ("char[1]", "", b"\0"),
        ("char[1]", "x", b"x"),
        ("char[1][2]", ["a", ""], b"a\0"),
        ("char[2]", "ab", b"ab"),
        ("vector<char[1]>", ["a", "b"], b"ab"),
        ("u8[3]", b"abc", b"abc"),
        ("{i32 i32}[2]", [(1, 2), (3, 4)], struct.pack("=4i", 1, 2, 3, 4)),
        ("i32[3][2]", [[1, 2, 3], [4, 5, 6]], struct.pack("=6i", 1, 2, 3, 4, 5, 6)),
        ("opaque(4,4)", b"abcd", b"abcd"),
        ("string", "é", "é".encode()),
        ("vector<i16>", [1, -1], struct.pack("=2h", 1, -1)),
        ("vector<u8>", b"abc", b"abc"),
        ("vector<char>", "abc", b"abc"),
        ("vector<string>", ["a", ""], b"\1\0\0\0a\0\0\0\0"),
        ("vector<bool>", [True, False], b"\1\0"),
        ("vector<{i32 i32}>", [(1, 2)], struct.pack("=2i", 1, 2)),
        ("optional<i32>", None, b"\0"),
        ("optional<i32>", 7, struct.pack("=?i", True, 7)),
        ("optional<optional<i32>>", sc.Some(None), b"\1\1\0\0\0\0"),
        ("optional<optional<i32>>", None, b"\0"),
        ("variant<i32 string>", sc.Alternative(1, "a"), b"\1\0\0\0\1\0\0\0a"),
        ("(string optional<u16>)", ("ab", 7), bytes.fromhex("02000000616203000000010700")),
        ("{string}", "a", b"\1\0\0\0a"),
        ("string[2]", ["a", "b"], b"\1\0\0\0a\1\0\0\0b"),
        ("bytes", b"\0\1", b"\0\1"),
        ("opaque", b"\0\1", b"\0\1"),
        ("{string vector<^2>}", ("a", [("b", [])]), b"\1\0\0\0a\r\0\0\0\t\0\0\0\1\0\0\0b\0\0\0\0"),
    ],
)
def test_values_have_the_bytes_of_the_protocol(description: str, value: Any, data: bytes) -> None:
    message = Message(description)
    assert message.encode((value,)) == data
    assert message.decode(data) == value
    assert message.decode(memoryview(data)) == value


@pytest.mark.parametrize(
    "description, given, taken",
    [
        ("{i32 i32}", Numbers(1, 2), (1, 2)),
        ("{string}", Only("a"), "a"),
        ("{{i32 i32}}", Pair(1, 2), (1, 2)),
        ("{{i32 string}}", Numbers(1, "a"), (1, "a")),
        ("{{i32 i32}}", Only(Pair(1, 2)), (1, 2)),
        ("{{{i32 i32}}}", Pair(1, 2), (1, 2)),
        ("vector<f64>", lambda: np.arange(3.0), [0.0, 1.0, 2.0]),
        ("vector<f64>", lambda: np.arange(3), [0.0, 1.0, 2.0]),  # integers: one by one
        ("vector<f64>", lambda: np.arange(6.0)[::2], [0.0, 2.0, 4.0]),
        ("vector<i32>", array.array("i", [1, 2]), [1, 2]),
        ("vector<i64>", (n for n in range(3)), [0, 1, 2]),
        ("f32[2]", lambda: np.ones(2, np.float32), [1.0, 1.0]),
        ("vector<u8>", bytearray(b"ab"), b"ab"),
        ("string", b"\xff", "\udcff"),
        ("variant<i32 string>", "a", sc.Alternative(1, "a")),
        ("vector<(string i32)>", {"a": 1}, [("a", 1)]),
        ("f64", lambda: np.float64(2), 2.0),
        ("i32", lambda: np.int32(2), 2),
    ],
)
def test_other_values_are_taken_too(description: str, given: Any, taken: Any) -> None:
    message = Message(description)
    assert message.decode(message.encode((given() if callable(given) else given,))) == taken


@pytest.mark.parametrize(
    "description, values",
    [
        ("i32", ("a",)),
        ("i32", (1 << 40,)),
        ("u8", (-1,)),
        ("f32", (1e300,)),
        ("{i32 i32}", (1,)),
        ("{i32 i32}", (1, 2, 3)),
        ("{i32 i32}", (1, "a")),
        ("{i32 i32}", ()),
        ("char[2]", ("abc",)),
        ("u8[2]", (b"abc",)),
        ("i32[2]", ([1],)),
        ("string", (5,)),
        ("vector<i32>", ("abc",)),
        ("vector<i32>", (5,)),
        ("vector<u8>", (5,)),
        ("optional<optional<i32>>", (5,)),
        ("variant<i32 i64>", (5,)),
        ("variant<i32 string>", (sc.Alternative(2, 5),)),
        ("variant<i32 string>", (sc.Alternative(-1, "a"),)),
        ("string[2]", (["a"],)),
    ],
)
def test_values_of_other_types_are_refused(description: str, values: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        Message(description).encode(values)


@pytest.mark.parametrize(
    "description, data",
    [
        ("i32", b"abc"),
        ("{i32 i32}", b"abc"),
        ("bool", b"\2"),
        ("vector<bool>", b"\2"),
        ("vector<i32>", b"abcde"),
        ("vector<{i32 i8}>", b"abcde"),
        ("vector<string>", b"\5\0\0\0a"),
        ("vector<string>", b"\1\0\0"),
        ("optional<i32>", b""),
        ("optional<i32>", b"\2"),
        ("optional<i32>", b"\1abc"),
        ("optional<i32>", b"\0abc"),
        ("variant<i32>", b"\1\0\0\0abcd"),
        ("(string i32)", b"\1\0\0\0aabc"),
        ("(string i32)", b"\1\0\0\0aabcde"),
        ("string[1000000000]", b""),
        ("{string vector<^2>}", b"\xff\xff\xff\xff"),
    ],
)
def test_messages_that_are_none_are_corrupt(description: str, data: bytes) -> None:
    with pytest.raises(sc.Corrupt):
        Message(description).decode(data)


def test_a_message_nested_to_its_end_is_corrupt() -> None:
    data = b""
    for _ in range(5000):
        data = len(data).to_bytes(4, "little") + data
    with pytest.raises(sc.Corrupt):
        Message("vector<^1>").decode(data)
    value: Any = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(ValueError):
        Message("vector<^1>").encode((value,))


def test_no_bytes_do_more_than_be_corrupt() -> None:
    chosen = random.Random(2)
    texts = ["{string vector<^2>}", "vector<(string optional<variant<i32 vector<string> bool>>)>", "{char f64 u16[3]}"]
    for message in map(Message, texts):
        for _ in range(10_000):
            data = bytes(chosen.choices([0, 0, 0, 1, 2, 4, 255], k=chosen.randint(0, 40)))
            try:
                value = message.decode(data)
            except sc.Corrupt:
                continue
            message.decode(message.encode((value,)))


@pytest.mark.parametrize("kind", [Numbers, Pair])
def test_an_instance_of_the_only_member(kind: Any) -> None:
    for description in ("{{i32 i32}}", "{{{i32 i32}}}", "{(i32 string)}"):
        value = (1, "a") if "string" in description else (1, 2)
        message = Message(description)
        assert conversion(kind, message.type)(message.decode(message.encode((kind(*value),)))) == kind(*value)
    for description in ("{{i32 i32 i32}}", "{vector<i32>}", "{i32}", "{i32 i32 i32}"):
        with pytest.raises(TypeError):
            conversion(kind, Message(description).type)


def test_plain_tuples_of_one() -> None:
    """A struct of one member is that member, also where the member is a sequence."""
    assert Message("{vector<i32>}").decode(Message("{vector<i32>}").encode(([5],))) == [5]
    assert Message("{{i32}}").decode(Message("{{i32}}").encode((5,))) == 5
