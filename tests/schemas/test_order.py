"""Order: the common fields and the rules for images, judged without a lookup and all at once."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidOrder
from schemas.order import ImageRule, Order, is_private_name, order_from_json, salvaged

WITH_DATA = ImageRule(max_bytes=1000)
URLS_ONLY = ImageRule(max_bytes=None)
WANTED = "must be an https URL of a public host or a data URL"


def problems_of(data: Any) -> dict[str, str]:
    with pytest.raises(InvalidOrder) as caught:
        order_from_json(data)
    assert len({problem.field for problem in caught.value.problems}) == len(caught.value.problems)
    return {problem.field: problem.problem for problem in caught.value.problems}


def test_the_smallest_order_is_a_vendor_and_a_prompt() -> None:
    order = order_from_json({"vendor": "vrex", "prompt": "A cat"})
    assert order == Order(vendor="vrex", prompt="A cat")
    assert (order.images, order.params, order.tags, order.metadata, order.queue) == ([], {}, [], {}, False)


def test_every_field_of_the_contract_is_taken() -> None:
    whole = {
        "vendor": "vrex",
        "prompt": "…",
        "seconds": 8,
        "aspect_ratio": "16:9",
        "images": ["https://e.com/a.jpg"],
        "model": None,
    }
    whole |= {
        "params": {"a": [1]},
        "tags": ["x"],
        "metadata": {"k": {"v": 1}},
        "idempotency_key": "k",
        "queue": True,
        "batch": "b",
    }
    assert order_from_json(whole).model_dump() == whole


def test_every_problem_is_told_at_once_with_its_path_and_without_the_value() -> None:
    wrong = {
        "prompt": 7,
        "seconds": "8",
        "images": ["a", 5],
        "params": [],
        "tags": ["", "x" * 101],
        "queue": 1,
        "secret": "sk-1",
    }
    found = problems_of(wrong | {"metadata": {"k": "x" * 20_000}, "idempotency_key": "", "batch": "x" * 101})
    assert set(found) == {
        *("vendor", "prompt", "seconds", "images.1", "params", "tags.0", "tags.1", "queue", "secret"),
        *("metadata", "idempotency_key", "batch"),
    }
    assert found["vendor"] == "is missing"
    assert found["secret"] == "is not a field of an order; a vendor's own fields belong into params"
    assert found["metadata"] == "is larger than 16384 bytes as JSON; keep it short and refer to the rest"
    assert "sk-1" not in str(found)
    assert "xxx" not in str(found)


@pytest.mark.parametrize("data", [None, [], "vrex", 7, True, [{"vendor": "vrex"}]])
def test_a_body_that_is_no_object_is_no_order(data: Any) -> None:
    assert problems_of(data) == {"body": 'must be a JSON object such as {"vendor": "vrex", "prompt": "…"}'}


@pytest.mark.parametrize(
    ("field", "value"), [("seconds", True), ("seconds", 8.0), ("queue", "true"), ("model", 3), ("prompt", None)]
)
def test_kinds_are_not_bent(field: str, value: Any) -> None:
    assert list(problems_of({"vendor": "vrex", "prompt": "…", field: value})) == [field]


@pytest.mark.parametrize("seconds", [-1, 86_401, 2**64 - 1])
def test_a_length_that_nobody_makes_is_refused_before_any_vendor_or_column_meets_it(seconds: int) -> None:
    problem = {"seconds": "must be a whole number from 0 to 86400"}
    assert problems_of({"vendor": "vrex", "prompt": "…", "seconds": seconds}) == problem
    assert problems_of({"vendor": "vrex", "prompt": "…", "seconds": seconds, "queue": 1}).keys() == {"seconds", "queue"}


def test_fifty_tags_are_the_most() -> None:
    order_from_json({"vendor": "vrex", "prompt": "…", "tags": ["x"] * 50})
    assert list(problems_of({"vendor": "vrex", "prompt": "…", "tags": ["x"] * 51})) == ["tags"]


def test_equal_orders_have_equal_fingerprints_whatever_their_key_and_the_order_of_names() -> None:
    one = order_from_json(
        {"vendor": "vrex", "prompt": "é", "params": {"a": 1, "b": {"c": 2, "d": 3}}, "idempotency_key": "1"}
    )
    two = order_from_json(
        {"idempotency_key": "2", "params": {"b": {"d": 3, "c": 2}, "a": 1}, "prompt": "é", "vendor": "vrex"}
    )
    assert one.canonical() == two.canonical()
    assert one.fingerprint() == two.fingerprint()
    assert one.fingerprint() != one.model_copy(update={"prompt": "e"}).fingerprint()


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=5),
        st.integers() | st.text(st.characters(codec="utf-8")),
        max_size=5,
    )
)
def test_what_is_kept_of_an_order_reads_back_as_the_same(params: dict[str, Any]) -> None:
    order = Order(vendor="vrex", prompt="é🎬", params=params, tags=["a"], seconds=8)
    assert Order.model_validate_json(order.canonical()) == order


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.jpg",
        "https://EXAMPLE.com/a.jpg",
        "HTTPS://example.com/a.jpg",
        "https://your-cdn.com:8443/a%20b.jpg?X-Amz-Signature=1&b=@#c",
        "https://a_b.example.com/",
        "https://example.com.",
        "https://8.8.8.8/a.jpg",
        "https://[2606:4700:4700::1111]/a.jpg",
        "https://пример.com/a.jpg",
        "https://xn--e1afmkfd.xn--p1ai/a.jpg",
        "https://local.example.com/localhost",
        "https://1.2.3.4.example.com/",
    ],
)
def test_public_https_urls_are_images(url: str) -> None:
    assert WITH_DATA.problem(url) is None
    assert URLS_ONLY.problem(url) is None


PRIVATE = """
    http://example.com/a.jpg ftp://example.com/a.jpg file:///etc/passwd //example.com/a.jpg example.com/a.jpg
    https:/example.com https:// https:///a.jpg https://?a javascript:alert(1) gopher://example.com s3://bucket/a.jpg
    https://localhost/a.jpg https://LOCALHOST/ https://localhost./ https://foo.localhost/ https://intranet/
    https://db https://127.0.0.1/ https://127.1/ https://0x7f.1/ https://0x7f000001/ https://2130706433/
    https://0177.0.0.1/ https://127.0.0.1./ https://0/ https://0.0.0.0/ https://10.0.0.1/ https://192.168.1.4/a.jpg
    https://172.16.0.1/ https://169.254.169.254/latest https://100.64.0.1/ https://[::1]/ https://[::]/
    https://[::ffff:127.0.0.1]/ https://[::ffff:7f00:1]/ https://[fe80::1]/ https://[fe80::1%25eth0]/
    https://[fc00::1]/ https://[64:ff9b::7f00:1]/ https://[2002:7f00:1::]/ https://[::127.0.0.1]/
    https://user@example.com/ https://user:pass@example.com/ https://@example.com/ https://:@example.com/
    https://example.com@127.0.0.1/ https://example.com:pass@10.0.0.1/ https://127.0.0.1@example.com/
    https://example.com:99999/ https://example.com:port/ https://[::1/ https://]/ https://[example.com]/
    https://printer.local/ https://nas.lan/ https://x.internal/ https://metadata.google.internal/
    https://a.home.arpa/ https://a.test/ https://a.invalid/ https://a.onion/ https://a.localdomain/ https://a.corp/
    https://１２７.0.0.1/ https://127。0。0。1/ https://ⓛocalhost/ https://example.ⅽorp/ https://a..example.com/
    https://.example.com/ https://localhost\\.example.com/ https://127.0.0.1%2f.example.com/
    https://127.0.0.1%00.example.com/ https://127.0.0.1\\@example.com/ https://1.2.3.4.5.6/ https://example.0x7f/
    https://example.1/ https://*.example.com/ https://exa$mple.com/
""".split()  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
def test_whatever_is_or_may_be_read_as_a_private_host_is_no_image(url: str) -> None:
    assert WITH_DATA.problem(url) == WANTED


@pytest.mark.parametrize(
    "url", ["https://e.com/a b", "https://e.com/\n", " https://e.com/", "https://e\t.com/", "https://e.com/\x7f"]
)
def test_spaces_and_control_characters_are_named(url: str) -> None:
    assert WITH_DATA.problem(url) == f"{WANTED}, without spaces or control characters"


def test_a_url_has_at_most_8192_characters() -> None:
    start = "https://example.com/"
    assert WITH_DATA.problem(start + "a" * (8192 - len(start))) is None
    assert WITH_DATA.problem(start + "a" * (8193 - len(start))) == f"{WANTED}, of at most 8192 characters"


@given(st.text(max_size=40))
def test_any_host_is_judged_without_stumbling(text: str) -> None:
    assert isinstance(is_private_name(text), bool)
    assert isinstance(WITH_DATA.problem("https://" + text), str | None)
    assert isinstance(WITH_DATA.problem("data:" + text), str)


def data_url(size: int, media_type: str = "image/jpeg") -> str:
    return f"data:{media_type};base64,{base64.b64encode(bytes(size)).decode()}"


@pytest.mark.parametrize("size", [1, 2, 3, 998, 999, 1000])
def test_data_urls_up_to_the_limit_are_images(size: int) -> None:
    assert WITH_DATA.problem(data_url(size)) is None


@pytest.mark.parametrize("size", [1001, 1002, 1003, 2000, 1_000_000])
def test_one_byte_more_is_too_large(size: int) -> None:
    assert "is larger than" in str(WITH_DATA.problem(data_url(size)))


def test_the_limit_is_said_in_megabytes() -> None:
    rule = ImageRule(max_bytes=4 * 2**20)
    assert rule.problem(data_url(4 * 2**20)) is None
    assert rule.problem(data_url(4 * 2**20 + 1)) == "is larger than 4 MB; make it smaller"


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ("data:image/jpeg;base64,", "is empty"),
        ("data:image/jpeg;base64,é", "is not valid base64"),
        ("data:image/jpeg;base64,AAA", "is not valid base64"),
        ("data:image/jpeg;base64,AA AA", "is not valid base64"),
        ("data:image/jpeg;base64,AA\nAA", "is not valid base64"),
        ("data:image/jpeg;base64,A-_A", "is not valid base64"),
        ("data:image/jpeg,AAAA", "must be a base64 data URL of image/jpeg, image/png, image/webp"),
        ("data:image/jpeg;base64", "must be a base64 data URL of image/jpeg, image/png, image/webp"),
        ("data:image/svg+xml;base64,AAAA", "must be a base64 data URL of image/jpeg, image/png, image/webp"),
        ("data:text/html;base64,AAAA", "must be a base64 data URL of image/jpeg, image/png, image/webp"),
        ("data:;base64,AAAA", "must be a base64 data URL of image/jpeg, image/png, image/webp"),
        ("data:", "must be a base64 data URL of image/jpeg, image/png, image/webp"),
        (7, "must be a string: an https URL or a data URL"),
        (None, "must be a string: an https URL or a data URL"),
    ],
)
def test_data_urls_that_are_none(image: Any, problem: str) -> None:
    assert WITH_DATA.problem(image) == problem


@pytest.mark.parametrize(
    "head", ["data:image/png;base64,", "DATA:IMAGE/PNG;BASE64,", "data:image/webp;charset=utf-8;base64,"]
)
def test_the_head_of_a_data_url_may_be_written_in_several_ways(head: str) -> None:
    assert WITH_DATA.problem(head + "AAAA") is None


def test_a_vendor_that_takes_no_data_urls_says_so() -> None:
    assert URLS_ONLY.problem(data_url(1)) == "must be an https URL of a public host; this vendor takes no data URLs"
    assert URLS_ONLY.problem("http://e.com") == "must be an https URL of a public host"


def test_an_order_is_json_again() -> None:
    order = order_from_json({"vendor": "vrex", "prompt": "…", "metadata": {"k": None}})
    assert json.loads(order.canonical())["metadata"] == {"k": None}


# --- what is left of a broken order ------------------------------------------------------------------------


def left_of(data: Any) -> Order | None:
    """What is salvaged of an order that cannot be read."""
    with pytest.raises(InvalidOrder) as caught:
        order_from_json(data)
    return salvaged(data, caught.value.problems)


def test_the_sound_fields_of_a_broken_order_are_left() -> None:
    found = left_of({"vendor": "vrex", "prompt": 7, "seconds": "8", "tags": ["a", 7], "model": "x", "colour": "red"})
    assert found == Order(vendor="vrex", prompt="A coast", model="x")


@pytest.mark.parametrize("data", [[], None, {"prompt": "…"}, {"vendor": 7, "prompt": "…"}])
def test_without_an_account_nothing_is_left(data: Any) -> None:
    assert left_of(data) is None
