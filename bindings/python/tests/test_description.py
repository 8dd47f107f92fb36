"""Descriptions, which may come from anywhere."""

import random

import pytest

from shared_channel._codec import Message
from shared_channel._description import DescriptionError, parse


@pytest.mark.parametrize(
    "text, size, align",
    [
        ("i32", 4, 4),
        ("{i32 i32}", 8, 4),
        ("{char f64 u16[3] bool}", 24, 8),
        ("{u8}", 1, 1),
        ("{{u8 u16} u8}#geometry/2", 6, 2),
        ("i32[3][2]", 24, 4),
        ("opaque(12,4)", 12, 4),
        ("{opaque(1,1) i64}", 16, 8),
        ("{}", 0, 1),
    ],
)
def test_flat_types_lie_as_in_memory(text: str, size: int, align: int) -> None:
    described = parse(text)
    assert (described.size, described.align, described.is_flat) == (size, align, True)
    assert Message(text).codec.size == size


@pytest.mark.parametrize("text", ["string", "(i32 i32)", "{string}", "vector<u8>", "optional<i32>", "opaque", "bytes"])
def test_other_types_vary_in_length(text: str) -> None:
    assert not parse(text).is_flat
    assert not Message(text).codec.is_flat


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "i33",
        "i32 ",
        " i32",
        "{i32",
        "{i32  i32}",
        "{ i32}",
        "i32}",
        "(i32}",
        "vector<>",
        "vector<i32",
        "vector<i32 i32>",
        "optional<>",
        "variant<>",
        "i32[]",
        "i32[01]",
        "i32[-1]",
        "i32[12345678901]",
        "i32[9999999999]",
        "u8[9999999999][9999999999]",
        "opaque(",
        "opaque(1)",
        "opaque(1,0)",
        "opaque(1,3)",
        "opaque(9999999999,1)",
        "^1",
        "{^2}",
        "^0",
        "{^0}",
        "i32#",
        "i32#a b",
        "i32#\x07",
        "é",
        "{string vector<^3>}",
        "{i32 optional<i32>}",  # lies in memory in a way that only its compiler knows
        "vector<{}>",
        "{}[2]",
        "opaque(0,1)[1000000000]",
        pytest.param("{" * 100_000, id="very deep"),  # Windows has no room for such an id in the environment
        "{" * 199 + "i32" + "}" * 199 + "x",
        "{" * 250 + "i32" + "}" * 250,
        "vector<" * 190 + "i32",
        "(" * 150 + "string" + ")" * 151,
        "{i32 i32" + " i32" * 442 + " i~0123456789abcdef",
    ],
)
def test_what_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(DescriptionError):
        Message(text)


def test_the_beginning_of_a_long_description_is_refused() -> None:
    text = ("{" + "i32 " * 500)[:1771] + "~0123456789abcdef"
    with pytest.raises(DescriptionError, match="too long"):
        parse(text)


def test_no_text_does_more_than_be_refused() -> None:
    chosen = random.Random(1)
    pieces = ["{", "}", "(", ")", "<", ">", "[", "]", "#a", "^1", "^2", " ", "i32", "string", "vector<", "optional<"]
    pieces += ["variant<", "opaque(4,4)", "opaque", "3", "f64", "9999999999"]
    for _ in range(20_000):
        text = "".join(chosen.choices(pieces, k=chosen.randint(1, 12)))
        try:
            Message(text)
        except DescriptionError:
            pass
