"""Batch file: a file of orders, one for each line (JSONL) or row (CSV), read and keyed before anything is ordered.

A line's key is made of what it orders, which of several equal lines it is, and the batch: so the same file can be
ordered again and only what is missing is, and the same prompt twice means two takes. Whether a vendor would take an
order is not known here.
"""

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from receiver.cli.pieces import image_of
from receiver.cli.trouble import WrongUsage

#: The columns that a CSV may have, and how a cell is read.
COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(("vendor", "prompt", "aspect_ratio", "model", "idempotency_key"), "text"),
    "seconds": "number",
    "images": "list",
    "tags": "list",
    "params": "object",
    "metadata": "object",
}
_EXAMPLES = {"list": '["spring"]', "object": '{"seed": 7}', "number": "8"}
_KINDS: Mapping[str, type] = {"list": list, "object": dict, "number": int}
#: Given to the whole file.
OF_THE_FILE = ("batch", "queue")


# what would have to be quoted on a command line
_ODD = re.compile(r"[^A-Za-z0-9._]+")


class Unfit(ValueError):
    """A line that cannot be an order; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a batch file: an order's fields, ready to send, and its key."""

    line: int
    fields: Mapping[str, Any]
    key: str


@dataclass(frozen=True, slots=True)
class BadLine:
    """Something wrong with one line."""

    line: int
    problem: str


def batch_id_of(path: Path) -> str:
    """The name of a file's batch: the same for the same file, whatever is in it."""
    whole = hashlib.sha256(str(path.resolve()).encode()).hexdigest()
    return f"{_ODD.sub('-', path.stem)[:80]}-{whole[:8]}"


def read_entries(path: Path, batch: str, vendor: str | None) -> list[Entry]:
    """Read every line; `vendor` is that of lines which name none.

    Raises: WrongUsage with everything that is wrong, by line.
    """
    bad: list[BadLine] = []
    found: list[tuple[int, dict[str, Any]]] = []
    try:
        for line, content in _lines(path):
            try:
                found.append((line, _order(content, path.parent, vendor)))
            except Unfit as error:
                bad.append(BadLine(line, str(error)))
    except UnicodeDecodeError as error:
        raise WrongUsage(f"{path} is not UTF-8 text (at byte {error.start}); save it as UTF-8.") from error
    entries = _keyed(found, batch)
    refuse(path, [*bad, *_repeated(entries)])
    if not entries:
        raise WrongUsage(f"{path} has no orders in it; write one for each line.")
    return entries


def refuse(path: Path, bad: Iterable[BadLine]) -> None:
    """Refuse a file with problems, all at once.

    Raises: WrongUsage.
    """
    told = [f"  line {each.line}: {each.problem}" for each in sorted(bad, key=lambda each: each.line)]
    if told:
        raise WrongUsage("\n".join([f"{path} cannot be ordered; nothing was:", *told]))


# --- lines -------------------------------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[tuple[int, "dict[str, Any] | Unfit"]]:
    if path.suffix.lower() == ".csv":
        return _rows(path)
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return _json_lines(path)
    raise WrongUsage(f"--batch takes a .jsonl file (an order as JSON on each line) or a .csv file, not {path}.")


def _json_lines(path: Path) -> Iterator[tuple[int, "dict[str, Any] | Unfit"]]:
    with path.open("rb") as file:
        for line, raw in enumerate(file, 1):
            text = raw.decode("utf-8-sig" if line == 1 else "utf-8").strip()
            if text:
                yield line, _object(text)


def _object(text: str) -> "dict[str, Any] | Unfit":
    try:
        found = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except Unfit as error:
        return error
    except (ValueError, RecursionError):
        found = None
    return (
        found if isinstance(found, dict) else Unfit('must be a JSON object such as {"vendor": "vrex", "prompt": "…"}')
    )


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise Unfit(f"{twice[0]}: stands there twice")
    return dict(pairs)


def _no_constant(text: str) -> Any:
    raise Unfit(f"{text} is not a number that JSON knows")


def _rows(path: Path) -> Iterator[tuple[int, "dict[str, Any] | Unfit"]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header)
            before = reader.line_num
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield before + 1, _row(header, row)
                before = reader.line_num
        except csv.Error as error:
            raise WrongUsage(f"{path}, line {reader.line_num}: {error}; is it a CSV file?") from error


def _check_header(path: Path, header: Sequence[str]) -> None:
    unknown = [name or "(empty)" for name in header if name not in COLUMNS]
    twice = [name for name, count in Counter(header).items() if count > 1]
    if unknown or twice or "prompt" not in header:
        what = (
            f"does not know {', '.join(unknown)}" if unknown else f"has {twice[0]} twice" if twice else "has no prompt"
        )
        raise WrongUsage(f"{path}, line 1: the header {what}; the columns are {', '.join(COLUMNS)}.")


def _row(header: Sequence[str], row: Sequence[str]) -> "dict[str, Any] | Unfit":
    if len(row) > len(header):
        return Unfit(f"has {len(row)} cells, but the header {len(header)}; put text with commas into quotes")
    problems, fields = [], {}
    for name, cell in zip(header, row, strict=False):
        try:
            if cell.strip():
                fields[name] = _cell(name, cell)
        except Unfit as error:
            problems.append(str(error))
    return Unfit("; ".join(problems)) if problems else fields


def _cell(name: str, cell: str) -> Any:
    kind = COLUMNS[name]
    if kind == "text":
        return cell if name == "prompt" else cell.strip()
    if name == "images" and not cell.lstrip().startswith("["):
        return [cell.strip()]
    try:
        found = json.loads(cell, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, _KINDS[kind]) or isinstance(found, bool):
        what = "a whole number" if kind == "number" else f"a JSON {kind}"
        raise Unfit(f"{name}: must be {what}, for example {_EXAMPLES[kind]}")
    return found


# --- orders ------------------------------------------------------------------------------------------------


def _order(content: "dict[str, Any] | Unfit", folder: Path, vendor: str | None) -> dict[str, Any]:
    if isinstance(content, Unfit):
        raise content
    if not _is_sendable(content):
        raise Unfit("has half a surrogate pair, which is no text")
    own = [name for name in OF_THE_FILE if name in content]
    if own:
        raise Unfit(f"{own[0]}: is for the file as a whole; leave it out")
    fields = {**({} if vendor is None else {"vendor": vendor}), **content}
    problems = [f"{name}: is missing" for name in ("vendor", "prompt") if fields.get(name) in (None, "")]
    problems += [f"{name}: must be text" for name in ("vendor", "prompt") if not isinstance(fields.get(name, ""), str)]
    if problems:
        raise Unfit("; ".join(problems))
    if isinstance(fields.get("images"), list):
        fields["images"] = [_image(each, folder) for each in fields["images"]]
    return fields


def _is_sendable(content: Any) -> bool:
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _image(given: Any, folder: Path) -> Any:
    if not isinstance(given, str) or given[:8].lower().startswith(("https://", "http://", "data:")):
        return given
    try:
        return image_of(str(folder / Path(given).expanduser()))
    except WrongUsage as error:
        raise Unfit(f"images: {str(error).removeprefix('--image ')}") from error


def _keyed(found: Iterable[tuple[int, dict[str, Any]]], batch: str) -> list[Entry]:
    seen: Counter[str] = Counter()
    entries = []
    for line, fields in found:
        key = fields.pop("idempotency_key", None)
        if key is None:
            text = json.dumps([batch, fields], sort_keys=True, ensure_ascii=True)
            content = hashlib.sha256(text.encode()).hexdigest()
            seen[content] += 1
            key = f"line-{content}-{seen[content]}"
        entries.append(Entry(line, fields, key))
    return entries


def _repeated(entries: Iterable[Entry]) -> Iterator[BadLine]:
    first: dict[str, int] = {}
    for each in entries:
        if not isinstance(each.key, str) or not each.key:
            yield BadLine(each.line, "idempotency_key: must be text")
        elif each.key in first:
            yield BadLine(each.line, f"idempotency_key: is that of line {first[each.key]}; give each line its own")
        else:
            first[each.key] = each.line
