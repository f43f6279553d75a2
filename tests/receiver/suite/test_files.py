"""What is seen of a file: rows where it is a SQLite file, whatever order they were written in; else its bytes."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from receiver.suite.files import content


def _file(path: Path, words: Sequence[str]) -> Path:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE words (word TEXT PRIMARY KEY)")
        file.execute("CREATE VIRTUAL TABLE found USING fts5(word)")
        for word in words:
            file.execute("INSERT INTO words VALUES (?)", (word,))
            file.execute("INSERT INTO found VALUES (?)", (word,))
    return path


def test_the_same_rows_are_the_same_in_whatever_order_they_came(tmp_path: Path) -> None:
    one, other = _file(tmp_path / "one?.db", ["a", "b"]), _file(tmp_path / "other.db", ["b", "a"])
    assert one.read_bytes() != other.read_bytes()
    assert content(one) == content(other) == {"words": [("a",), ("b",)], "found": [("a",), ("b",)]}


def test_a_row_more_is_seen(tmp_path: Path) -> None:
    assert content(_file(tmp_path / "one.db", ["a"])) != content(_file(tmp_path / "two.db", ["a", "b"]))


def test_what_is_no_sound_sqlite_file_is_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_bytes(b"told")
    (tmp_path / "cut.db").write_bytes(b"SQLite format 3\0" + b"?" * 100)
    assert content(tmp_path / "plain.txt") == b"told"
    assert content(tmp_path / "cut.db") == b"SQLite format 3\0" + b"?" * 100
