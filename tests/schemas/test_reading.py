"""Reading: what strangers send becomes plain values, or `Unreadable`, and nothing else ever gets out."""

import contextlib
import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Unreadable
from schemas.reading import MAX_DEPTH, Reading, is_job_id

HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is not JSON"),
    "blank": (b"  \n", "is not JSON"),
    "cut off": (b'{"a": ', "is not JSON"),
    "something behind it": (b"{} x", "is not JSON"),
    "two values": (b"{}{}", "is not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "is not JSON"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "is not UTF-8"),
    "UTF-16 without a mark": ('{"a": 1}'.encode("utf-16-le"), "is not JSON"),
    "Latin-1": ('{"a": "é"}'.encode("latin-1"), "is not UTF-8"),
    "an overlong NUL": (b'"\xc0\x80"', "is not UTF-8"),
    "a surrogate in UTF-8": (b'"\xed\xa0\x80"', "is not UTF-8"),
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "is not UTF-8"),
    "a raw control character": (b'"\x01"', "is not JSON"),
    "a raw NUL": (b'"\x00"', "is not JSON"),
    "a NUL by escape": (rb'"a\u0000b"', "has a NUL character"),
    "a NUL in a key": (rb'{"a\u0000b": 1}', "has a NUL character"),
    "half a surrogate pair": (rb'"\ud800"', "has half a surrogate pair"),
    "the other half": (rb'"x\udfffx"', "has half a surrogate pair"),
    "half a pair in a key, deep": (rb'[{"\ud83d": []}]', "has half a surrogate pair"),
    "NaN": (b"[NaN]", "has NaN, which is not JSON"),
    "Infinity": (b"Infinity", "has Infinity, which is not JSON"),
    "minus Infinity": (b"-Infinity", "has -Infinity, which is not JSON"),
    "1e400": (b"1e400", "has a number that is too large or too fine"),
    "-1e400": (b"-1e400", "has a number that is too large or too fine"),
    "1e-400": (b"1e-400", "has a number that is too large or too fine"),
    "a zero with a gigabyte of digits": (b"0e999999999", "has a number that is too large or too fine"),
    "an exponent beyond all measure": (b"1e99999999999999999999", "has a number that is too large or too fine"),
    "a fine one beyond all measure": (b"1e-99999999999999999999", "has a number that is too large or too fine"),
    "5,000 digits": (b"1" * 5000, "has a number that is too large"),
    "5,000 decimals": (b"0." + b"1" * 5000, "has a number that is too large or too fine"),
    "2**64": (str(2**64).encode(), "has a number that is too large"),
    "-2**63 - 1": (str(-(2**63) - 1).encode(), "has a number that is too large"),
    "2.0**64": (b"18446744073709551616.0", "has a number that is too large or too fine"),
    "a leading zero": (b"007", "is not JSON"),
    "a plus": (b"+1", "is not JSON"),
    "hex": (b"0x1f", "is not JSON"),
    "a comment": (b"{} // fine", "is not JSON"),
    "a trailing comma": (b"[1,]", "is not JSON"),
    "single quotes": (b"{'a': 1}", "is not JSON"),
    "the same key twice": (b'{"a": 1, "a": 2}', "has the same key twice"),
    "the same key twice, deep": (b'[{"b": {"a": 1, "\\u0061": 2}}]', "has the same key twice"),
    "arrays too deep": (b"[" * 34 + b"]" * 34, "is nested deeper than 32"),
    "objects too deep": (b'{"a":' * 34 + b"1" + b"}" * 34, "is nested deeper than 32"),
    "a thousand deep": (b"[" * 1000 + b"]" * 1000, ""),
    "a hundred thousand deep, never closed": (b"[" * 100_000, ""),
    "objects a hundred thousand deep": (b'{"a":' * 100_000, ""),
}


@pytest.mark.parametrize(("body", "problem"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_unreadable_and_the_reason_is_plain(body: bytes, problem: str) -> None:
    with pytest.raises(Unreadable) as caught:
        Reading.parse(body)
    assert caught.value.path == ""
    assert caught.value.problem == problem or (not problem and "nested" in caught.value.problem)


def test_the_reason_never_quotes_what_was_sent() -> None:
    for body in (b'{"key": "sk-secret', b'{"sk-secret": 1, "sk-secret": 2}', rb'"sk-secret\ud800"', b"sk-secret"):
        with pytest.raises(Unreadable) as caught:
            Reading.parse(body)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"null", None),
        (b" [1, -2] ", [1, -2]),
        (b"18446744073709551615", 2**64 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"0.1", Decimal("0.1")),
        (b"1E3", Decimal("1E3")),
        (b"0.0", Decimal("0.0")),
        (b"0e0", Decimal(0)),
        ('{"é": "\\ud83c\\udfac 🎬"}'.encode(), {"é": "🎬 🎬"}),
        (b"[" * 32 + b"]" * 32, "deep"),
        (b'"' + b"x" * 1_000_000 + b'"', "x" * 1_000_000),
    ],
)
def test_what_is_odd_but_right_is_read(body: bytes, value: Any) -> None:
    found = Reading.parse(body).value
    assert found == value if value != "deep" else isinstance(found, list)


def test_the_deepest_allowed_is_exactly_that() -> None:
    assert MAX_DEPTH == 32
    Reading.parse(b"[" * 33 + b"]" * 33)
    with pytest.raises(Unreadable):
        Reading.parse(b"[" * 34 + b"]" * 34)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.decimals(-(10**9), 10**9, allow_nan=False, places=6).map(float)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_plain_gives_back_the_very_value_that_was_written(value: Any) -> None:
    for ascii_only in (True, False):
        assert Reading.parse(json.dumps(value, ensure_ascii=ascii_only).encode()).plain() == value


PIECES = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\",
    b"\\u",
    b"d800",
    b"0000",
    b"1",
    b"e",
    b"-",
    b".",
    b"9" * 30,
    b"true",
]
PIECES += [
    b"null",
    b"NaN",
    b"Infinity",
    b'"a"',
    b"\xff",
    b"\x00",
    b" ",
    b"\xed\xa0\x80",
    b"999999999",
    b'"a":1',
    b"\xf0\x9f\x8e\xac",
]


@settings(max_examples=600)
@given(st.binary(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join))
def test_whatever_comes_only_unreadable_gets_out(body: bytes) -> None:
    try:
        found = Reading.parse(body)
    except Unreadable:
        return
    json.dumps(found.plain(), allow_nan=False).encode()


WAYS = ["text", "known_text", "number", "flag", "time", "object", "job_id", "known_job_id", "items"]
CALM = ["maybe_text", "maybe_number", "maybe_length", "maybe_time", "plain"]


@settings(max_examples=400)
@given(JSON | st.text(alphabet="0123456789-+.:TZeE", max_size=30))
def test_every_way_to_take_a_value_gives_it_or_says_unreadable(value: Any) -> None:
    reading = Reading.parse(json.dumps({"it": value}).encode())["it"]
    for way in WAYS:
        with contextlib.suppress(Unreadable):
            found = getattr(reading, way)()
            list(found) if way == "items" else found
    for way in CALM:
        getattr(reading, way)()
    assert reading.maybe("a", "b").path == "it.a.b"
    reading.holder("status", "job", "data")


def test_stepping_says_where_it_is() -> None:
    reading = Reading.parse(b'{"output": {"urls": ["a", 7]}, "empty": null}')
    assert [each.path for each in reading["output"]["urls"].items()] == ["output.urls[0]", "output.urls[1]"]
    with pytest.raises(Unreadable, match=r"^output\.urls\[1\]: must be a string$"):
        [each.text() for each in reading["output"]["urls"].items()]
    with pytest.raises(Unreadable, match=r"^output\.urls: must be an object$"):
        reading["output"]["urls"]["0"]
    assert reading["empty"]["deeper"]["still"].is_null
    assert reading["missing"].path == "missing"
    assert list(reading["missing"].items()) == []
    with pytest.raises(Unreadable, match=r"^missing: is missing; must be a string that is not empty$"):
        reading["missing"].known_text()


def test_a_lenient_step_never_stumbles() -> None:
    reading = Reading.parse(b'{"output": {"metadata": "720p", "n": [1]}}')
    assert reading.maybe("output", "metadata", "resolution").is_null
    assert reading.maybe("output", "n", "x").is_null
    assert reading.maybe("output", "metadata").maybe_text() == "720p"


def test_the_holder_is_the_first_inner_object_that_has_the_member() -> None:
    flat, wrapped = (
        Reading.parse(b'{"status": "a", "data": 5}'),
        Reading.parse(b'{"success": true, "data": {"status": 1}}'),
    )
    assert flat.holder("status", "job", "data") == flat
    assert wrapped.holder("status", "job", "data").path == "data"


def at(text: str) -> Reading:
    return Reading.parse(text.encode())


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.136", "0.136"), ("8", "8"), ('"0.47"', "0.47"), ('"-3"', "-3"), ("null", None), ("1e2", "1E+2")],
)
def test_a_number_is_exact_and_may_stand_in_a_string(text: str, number: str | None) -> None:
    found = at(text).number()
    assert found == (None if number is None else Decimal(number))
    assert found is None or str(found) == number


@pytest.mark.parametrize(
    "text",
    [
        '""',
        '"5-"',
        '"--5"',
        '"."',
        '"1."',
        '".5"',
        '"1e5"',
        '"NaN"',
        '"Infinity"',
        '"٣"',
        '"１"',
        '" 1"',
        '"1\\n"',
        "true",
        "[]",
        "{}",
        f'"{"1" * 41}"',
        '"1_000"',
        '"$5"',
    ],
)
def test_what_is_no_number_is_not_guessed_at(text: str) -> None:
    with pytest.raises(Unreadable, match="must be a number"):
        at(text).number()
    assert at(text).maybe_number() is None


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("8", 8),
        ("8.0", 8),
        ("7.5", 7.5),
        ('"8"', 8),
        ("0", 0),
        ("-1", None),
        ('"long"', None),
        ("null", None),
        ("1000000001", None),
    ],
)
def test_a_length_is_whole_where_it_can_be(text: str, length: float | None) -> None:
    found = at(text).maybe_length()
    assert found == length
    assert type(found) is type(length)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ('"2025-01-01T12:01:15.000Z"', datetime(2025, 1, 1, 12, 1, 15, tzinfo=UTC)),
        ('"2025-01-01T12:01:15.25+02:00"', datetime(2025, 1, 1, 10, 1, 15, 250000, tzinfo=UTC)),
        ('"2025-01-01T12:01:15"', datetime(2025, 1, 1, 12, 1, 15, tzinfo=UTC)),
        ("1774796529", datetime(2026, 3, 29, 15, 2, 9, tzinfo=UTC)),
        ("1774796529.5", datetime(2026, 3, 29, 15, 2, 9, 500000, tzinfo=UTC)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("null", None),
    ],
)
def test_times_are_iso_8601_or_unix_seconds(text: str, moment: datetime | None) -> None:
    assert at(text).time() == moment


@pytest.mark.parametrize(
    "text",
    [
        '"soon"',
        '""',
        '"2025-13-01"',
        '"0001-01-01T00:00:00+14:00"',
        '"9999-12-31T23:59:59-14:00"',
        "-1",
        "1774796529000",
        "{}",
        "true",
        '"1969-12-31T23:59:59Z"',
        '"2100-01-01T00:00:01Z"',
        f'"{"2" * 10_000}"',
    ],
)
def test_what_is_no_time_of_our_age_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="must be"):
        at(text).time()
    assert at(text).maybe_time() is None


@pytest.mark.parametrize(
    "text", ["vg_a1b2c3d4e5f6", "cbf6b69d-4f03-4817-8ed7-94c0292184a8", "a", "1.2", "...a", "x" * 128]
)
def test_ids_as_vendors_give_them(text: str) -> None:
    assert is_job_id(text)
    assert at(json.dumps(text)).known_job_id() == text


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", "a/b", "a b", "a?b", "a#b", "a%2fb", "é", "١", "x" * 129, "a\n", "a:b", "a\\b"]
)
def test_ids_that_would_lead_elsewhere(text: str) -> None:
    assert not is_job_id(text)
    with pytest.raises(Unreadable):
        at(json.dumps(text)).job_id()


def test_flags_are_flags() -> None:
    assert (at("true").flag(), at("false").flag(), at("null").flag()) == (True, False, None)
    for text in ("1", '"true"', "[]"):
        with pytest.raises(Unreadable, match="must be true or false"):
            at(text).flag()


def test_a_callback_of_five_hundred_bytes_is_read_within_microseconds() -> None:
    body = json.dumps(
        {"event": "video.completed", "video_url": "https://e.com/" + "x" * 380, "seconds": 8, "cost": 0.136}
    ).encode()
    began = time.thread_time()
    for _ in range(1000):
        Reading.parse(body)
    # 4 µs on a quiet machine; this is for a thousand of them on a busy one
    assert time.thread_time() - began < 0.2


def test_a_body_of_a_quarter_megabyte_is_read_within_a_blink() -> None:
    for body in (
        b"[" + b"[]," * 87_000 + b"1]",
        b"[" + b"0.1," * 65_000 + b"1]",
        '"🎬'.encode() * 1 + b"x" * 260_000 + b'"',
    ):
        began = time.thread_time()
        Reading.parse(body)
        assert time.thread_time() - began < 1
