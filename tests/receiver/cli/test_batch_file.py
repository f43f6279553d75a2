"""Batch files: lines of JSON and rows of CSV become orders with keys, or everything that is wrong with them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from receiver.cli.batch_file import Entry, batch_id_of, read_entries
from receiver.cli.trouble import WrongUsage

PNG = b"\x89PNG\r\n\x1a\n"
FINE = {"vendor": "vrex", "prompt": "A coast"}


def entries(folder: Path, text: str | bytes, name: str = "a.jsonl", vendor: str | None = None) -> list[Entry]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_entries(path, "batch", vendor)


def lines(*orders: dict[str, Any]) -> str:
    return "".join(json.dumps(order) + "\n" for order in orders)


def refused(folder: Path, text: str | bytes, name: str = "a.jsonl") -> list[str]:
    """What a person is told, without the file's name."""
    with pytest.raises(WrongUsage) as error:
        entries(folder, text, name)
    return str(error.value).replace(f"{folder}/", "").splitlines()


# --- lines of JSON -----------------------------------------------------------------------------------------


def test_lines_become_orders_with_their_numbers(tmp_path: Path) -> None:
    order = {**FINE, "seconds": 8, "tags": ["a"], "params": {"seed": 7}, "metadata": {"n": 1.5}}
    found = entries(tmp_path, "\ufeff" + lines(order) + "\n   \r\n" + lines(FINE).strip())
    assert [(each.line, each.fields) for each in found] == [(1, order), (4, FINE)]


def test_a_vendor_may_be_given_for_all_lines_that_name_none(tmp_path: Path) -> None:
    found = entries(tmp_path, lines({"prompt": "A"}, FINE), vendor="ulazai")
    assert [each.fields["vendor"] for each in found] == ["ulazai", "vrex"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nonsense", 'must be a JSON object such as {"vendor": "vrex", "prompt": "…"}'),
        ("[1]", 'must be a JSON object such as {"vendor": "vrex", "prompt": "…"}'),
        ("[" * 100_000, 'must be a JSON object such as {"vendor": "vrex", "prompt": "…"}'),
        ('{"seconds": NaN}', "NaN is not a number that JSON knows"),
        ('{"vendor": "vrex", "prompt": "\\ud800"}', "has half a surrogate pair, which is no text"),
        ('{"vendor": "vrex", "prompt": "a", "\\udfff": 1}', "has half a surrogate pair, which is no text"),
        ('{"prompt": "a", "prompt": "b"}', "prompt: stands there twice"),
        ("{}", "vendor: is missing; prompt: is missing"),
        ('{"vendor": "vrex", "prompt": ""}', "prompt: is missing"),
        ('{"vendor": 7, "prompt": ["a"]}', "vendor: must be text; prompt: must be text"),
        ('{"vendor": "vrex", "prompt": "a", "batch": "b"}', "batch: is for the file as a whole; leave it out"),
        ('{"vendor": "vrex", "prompt": "a", "queue": true}', "queue: is for the file as a whole; leave it out"),
        ('{"vendor": "vrex", "prompt": "a", "idempotency_key": ""}', "idempotency_key: must be text"),
        ('{"vendor": "vrex", "prompt": "a", "idempotency_key": 7}', "idempotency_key: must be text"),
        (
            '{"vendor": "vrex", "prompt": "a", "images": ["none.png"]}',
            "images: {}/none.png: No such file or directory; give a file or an https URL.",
        ),
    ],
)
def test_a_line_that_is_no_order_is_told_with_its_number(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(WrongUsage) as error:
        entries(tmp_path, lines(FINE) + line + "\n")
    first, *told = str(error.value).splitlines()
    assert first == f"{tmp_path}/a.jsonl cannot be ordered; nothing was:"
    assert told == [f"  line 2: {problem.replace('{}', str(tmp_path))}"]


def test_all_bad_lines_are_told_in_order(tmp_path: Path) -> None:
    keyed = {**FINE, "idempotency_key": "k"}
    told = refused(tmp_path, lines(keyed, {"prompt": "x"}, keyed) + "no\n")
    assert told[1:] == [
        "  line 2: vendor: is missing",
        "  line 3: idempotency_key: is that of line 1; give each line its own",
        '  line 4: must be a JSON object such as {"vendor": "vrex", "prompt": "…"}',
    ]


# --- rows of CSV -------------------------------------------------------------------------------------------


def test_rows_become_orders_with_the_lines_that_they_begin_on(tmp_path: Path) -> None:
    text = (
        "vendor, prompt ,seconds,images,tags\n"
        'vrex,"Two\nlines, with a comma",8,https://a.example/x.png,"[""a""]"\n'
        "\n"
        'ulazai,"He said ""go""",,"[""https://a.example/1.png"", ""https://a.example/2.png""]",\n'
    )
    first, second = entries(tmp_path, text, "a.csv")
    assert first.fields == {
        "vendor": "vrex",
        "prompt": "Two\nlines, with a comma",
        "seconds": 8,
        "images": ["https://a.example/x.png"],
        "tags": ["a"],
    }
    assert (first.line, second.line) == (2, 5)
    assert second.fields["images"] == ["https://a.example/1.png", "https://a.example/2.png"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a.csv, line 1: the header has no prompt; the columns are vendor, prompt"),
        ("vendor,colour\n", "a.csv, line 1: the header does not know colour; the columns are vendor, prompt"),
        ("prompt,\n", "a.csv, line 1: the header does not know (empty); the columns are"),
        ("prompt,prompt\n", "a.csv, line 1: the header has prompt twice"),
        ('prompt\n"open\n', "a.csv, line 2: unexpected end of data; is it a CSV file?"),
        ("vendor,prompt\nvrex,a,b\n", "  line 2: has 3 cells, but the header 2; put text with commas into quotes"),
        ("vendor,prompt,seconds\nvrex,a,long\n", "  line 2: seconds: must be a whole number, for example 8"),
        ("vendor,prompt,seconds\nvrex,a,true\n", "  line 2: seconds: must be a whole number, for example 8"),
        ("vendor,prompt,tags\nvrex,a,spring\n", '  line 2: tags: must be a JSON list, for example ["spring"]'),
        ("vendor,prompt,params\nvrex,a,[1]\n", '  line 2: params: must be a JSON object, for example {"seed": 7}'),
        (
            "vendor,prompt,seconds,params\nvrex,a,x,y\n",
            "  line 2: seconds: must be a whole number, for example 8; params",
        ),
    ],
)
def test_a_row_or_a_header_that_cannot_be_is_told(tmp_path: Path, text: str, told: str) -> None:
    assert refused(tmp_path, text, "a.csv")[-1].startswith(told)


# --- files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("", "a.jsonl", "a.jsonl has no orders in it; write one for each line."),
        ("prompt\n", "a.csv", "a.csv has no orders in it; write one for each line."),
        ("{}", "a.txt", "--batch takes a .jsonl file (an order as JSON on each line) or a .csv file, not a.txt."),
        (b'{"prompt": "\xff"}', "a.jsonl", "a.jsonl is not UTF-8 text (at byte 12); save it as UTF-8."),
        (b"prompt\n\xff\n", "a.csv", "a.csv is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_is_told(tmp_path: Path, text: str | bytes, name: str, told: str) -> None:
    assert refused(tmp_path, text, name)[0].startswith(told)


def test_images_are_files_beside_the_batch_file(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(PNG)
    (first, second) = entries(
        tmp_path, lines({**FINE, "images": ["x.png", "https://a.example/y.png"]}, FINE | {"images": 7})
    )
    assert first.fields["images"] == ["data:image/png;base64,iVBORw0KGgo=", "https://a.example/y.png"]
    # whether that can be is for the server to say
    assert second.fields["images"] == 7


# --- keys --------------------------------------------------------------------------------------------------


def keys(folder: Path, text: str, batch: str = "batch", name: str = "a.jsonl") -> list[str]:
    (folder / name).write_text(text)
    return [each.key for each in read_entries(folder / name, batch, None)]


def test_the_same_order_twice_is_two_takes(tmp_path: Path) -> None:
    first, second, third = keys(tmp_path, lines(FINE, FINE, {**FINE, "prompt": "B"}))
    assert len({first, second, third}) == 3
    assert (first[:-2], first[-2:], second[-2:], third[-2:]) == (second[:-2], "-1", "-2", "-1")


def test_a_key_is_of_what_is_ordered_not_of_how_it_is_written(tmp_path: Path) -> None:
    plain = keys(tmp_path, lines(FINE))
    assert keys(tmp_path, '{"prompt":   "A coast", "vendor": "vrex"}\n') == plain
    assert keys(tmp_path, "vendor,prompt\nvrex,A coast\n", name="b.csv") == plain
    assert keys(tmp_path, lines({"prompt": "B", "vendor": "vrex"}, FINE))[1:] == plain


@pytest.mark.parametrize("change", [{"prompt": "B"}, {"seconds": 4}, {"metadata": {"a": 1}}, {"vendor": "ulazai"}])
def test_another_order_has_another_key(tmp_path: Path, change: dict[str, Any]) -> None:
    assert keys(tmp_path, lines({**FINE, **change})) != keys(tmp_path, lines(FINE))


def test_another_picture_or_another_batch_has_another_key(tmp_path: Path) -> None:
    text = lines({**FINE, "images": ["x.png"]})
    (tmp_path / "x.png").write_bytes(PNG)
    before = keys(tmp_path, text)
    assert keys(tmp_path, text, batch="other") != before
    (tmp_path / "x.png").write_bytes(PNG + b"2")
    assert keys(tmp_path, text) != before


def test_a_line_may_have_a_key_of_its_own(tmp_path: Path) -> None:
    (entry,) = entries(tmp_path, lines({**FINE, "idempotency_key": "mine"}))
    assert (entry.key, entry.fields) == ("mine", FINE)


def test_a_batch_is_named_after_its_file_wherever_that_is_called_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = batch_id_of(tmp_path / "spring clips.jsonl")
    assert re.fullmatch(r"spring-clips-[0-9a-f]{8}", name)
    assert batch_id_of(tmp_path / "sub" / "spring clips.jsonl") != name
    monkeypatch.chdir(tmp_path)
    assert batch_id_of(Path("spring clips.jsonl")) == name
    assert len(batch_id_of(tmp_path / ("x" * 200))) <= 100
