"""Whether a saved file is what was ordered, with the rounding that vendors are known for."""

import pytest

from handlers.protocol import Saved
from receiver.footage import differences, is_picture
from schemas.values import replace
from tests.support.parcels import READY
from tests.support.stored import a_job

FILE = Saved(1, "clips/a.mp4", 10, "ab", seconds=8.0, width=1280, height=720)
JOB = a_job(seconds=8, picture="1280x720")


@pytest.mark.parametrize("seconds", [7.5, 7.96, 8.0, 8.04, 8.5])
def test_a_little_more_or_less_is_as_ordered(seconds: float) -> None:
    assert differences(JOB, READY, replace(FILE, seconds=seconds)) == []


@pytest.mark.parametrize(
    ("seconds", "words"), [(7.4, "it lasts 7.4 s instead of 8 s"), (16.041666, "it lasts 16.04 s instead of 8 s")]
)
def test_another_length_is_told(seconds: float, words: str) -> None:
    assert differences(JOB, READY, replace(FILE, seconds=seconds)) == [words]


def test_long_films_may_differ_by_a_twentieth() -> None:
    job = replace(JOB, seconds=60)
    assert differences(job, READY, replace(FILE, seconds=57.1)) == []
    assert len(differences(job, READY, replace(FILE, seconds=56.9))) == 1


@pytest.mark.parametrize(
    ("wanted", "width", "height"),
    [
        ("1280x720", 1280, 720),
        ("1280x720", 1248, 704),
        ("1920X1080", 1920, 1088),
        ("1280 × 720", 1280, 720),
        ("16:9", 832, 480),
        ("16:9", 1248, 704),
        ("9:16", 704, 1248),
        ("1:1", 960, 960),
        ("21:9", 1504, 640),
        ("4:3", 1120, 832),
        ("720p", 1280, 720),
        ("720p", 720, 1280),
        ("720P", 960, 960),
        ("720p", 1504, 640),
        ("480p", 640, 480),
        ("480p", 864, 496),
        ("1080p", 1920, 1088),
        ("4k", 3840, 2160),
        ("4K", 4096, 2160),
        ("HD", 1280, 720),
    ],
)
def test_what_vendors_give_for_these_words_is_as_ordered(wanted: str, width: int, height: int) -> None:
    assert is_picture(wanted, width, height)


@pytest.mark.parametrize(
    ("wanted", "width", "height"),
    [
        ("1280x720", 720, 1280),
        ("1280x720", 1920, 1080),
        ("1280x720", 640, 360),
        ("16:9", 720, 1280),
        ("16:9", 1080, 1080),
        ("4:3", 1280, 720),
        ("720p", 854, 480),
        ("1080p", 1280, 720),
        ("480p", 1280, 720),
        ("4k", 1920, 1080),
    ],
)
def test_what_is_smaller_larger_or_on_its_side_is_not(wanted: str, width: int, height: int) -> None:
    assert not is_picture(wanted, width, height)


@pytest.mark.parametrize("word", ["auto", "Auto", "", "standard", "0:9", "16:0", "x", "720", "1080i", "99999999x9"])
def test_words_that_nobody_understands_differ_from_nothing(word: str) -> None:
    assert is_picture(word, 1, 1)


def test_what_was_ordered_goes_before_what_the_vendor_says_of_its_clip() -> None:
    told = replace(READY, duration_seconds=5, resolution="480p")
    short = replace(FILE, seconds=5, width=854, height=480)
    assert differences(JOB, told, short) == [
        "it lasts 5 s instead of 8 s",
        "its picture is 854x480 instead of 1280x720",
    ]
    assert differences(replace(JOB, seconds=None, picture=None), told, short) == []
    assert differences(None, told, FILE) == ["it lasts 8 s instead of 5 s", "its picture is 1280x720 instead of 480p"]


def test_what_a_file_does_not_say_differs_from_nothing() -> None:
    assert differences(JOB, READY, Saved(1, "clips/a.webm", 10, "ab")) == []
    assert differences(None, replace(READY, duration_seconds=None), FILE) == []
