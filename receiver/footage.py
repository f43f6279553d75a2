"""Footage: whether a saved file is what was ordered, by the length of its film and the size of its picture. Pure.

Vendors round: a clip of 8 s may last 8.04, one of "720p" may have 1248 x 704 dots. What nobody said differs from
nothing.
"""

import re

from handlers.protocol import Saved
from schemas.event import Event
from schemas.job import Job

#: A film may be so much longer or shorter: seconds, or this part of it.
SECONDS, PART = 0.5, 0.05
#: Of a side in dots, of a ratio of sides, and of all dots.
SIDE, RATIO, DOTS = 0.05, 0.08, 0.15
_SIZE = re.compile(r"([0-9]{2,5}) ?[x×*] ?([0-9]{2,5})", re.IGNORECASE)
_RATIO = re.compile(r"([0-9]{1,3}):([0-9]{1,3})")
_LINES = re.compile(r"([0-9]{3,4})p", re.IGNORECASE)
_NAMES = {"4k": "2160p", "uhd": "2160p", "full hd": "1080p", "fhd": "1080p", "hd": "720p"}


def differences(job: Job | None, event: Event, saved: Saved) -> list[str]:
    """In what a file differs from what was ordered, or else from what its vendor says that it is; in words."""
    ordered = job.seconds if job is not None and job.seconds is not None else event.duration_seconds
    found = []
    if ordered and saved.seconds is not None and abs(saved.seconds - ordered) > max(SECONDS, ordered * PART):
        found.append(f"it lasts {saved.seconds:.4g} s instead of {ordered:g} s")
    if saved.width and saved.height:
        wanted = [each for each in (job.picture if job is not None else None, event.resolution) if each]
        wrong = [each for each in wanted if not is_picture(each, saved.width, saved.height)]
        if wrong:
            found.append(f"its picture is {saved.width}x{saved.height} instead of {wrong[0]}")
    return found


def is_picture(wanted: str, width: int, height: int) -> bool:
    """Whether a picture is of a size (`1280x720`), a ratio (`16:9`) or a number of lines (`720p`); else True."""
    word = _NAMES.get(wanted.strip().lower(), wanted.strip())
    if size := _SIZE.fullmatch(word):
        return _is_about(width, int(size[1]), SIDE) and _is_about(height, int(size[2]), SIDE)
    if (ratio := _RATIO.fullmatch(word)) and int(ratio[1]) and int(ratio[2]):
        return _is_about(width / height, int(ratio[1]) / int(ratio[2]), RATIO)
    if lines := _LINES.fullmatch(word):
        # some keep to the shorter side, some to the number of dots of 16:9
        short = int(lines[1])
        return _is_about(min(width, height), short, SIDE) or _is_about(width * height, short * short * 16 / 9, DOTS)
    return True


def _is_about(found: float, wanted: float, part: float) -> bool:
    return abs(found - wanted) <= part * wanted
