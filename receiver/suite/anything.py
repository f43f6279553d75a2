"""Any order and any JSON, with a liking for one vendor's own names, so that its readers are led to their depths."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from inspect import getmodule, getsource
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from schemas.errors import Unreadable
from schemas.order import Order
from schemas.reading import Reading
from schemas.vendor import Vendor

#: No examples are written into the folder of whoever runs it, and one mistake is told at a time.
FUZZ = settings(
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    print_blob=False,
)
CALM = st.characters(codec="utf-8", exclude_characters="\0")
IMAGE = "data:image/png;base64,iVBORw0KGgo="
WORDS = (
    "completed",
    "failed",
    "error",
    "processing",
    "COMPLETED",
    "FAILED",
    "video.completed",
    "x" * 200,
    "../..",
    "16:9",
    "fast",
)
PLAIN = (0.136, -1.5, 1e18, 240, 0, "0.47", "https://e.com/a.mp4", "", "2025-01-01T12:00:00Z", IMAGE, *WORDS)
ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.sampled_from(PLAIN)
    | st.text(CALM, max_size=6)
)
#: Names from the outermost object to a value; a member of an array is one of its own.
Place = tuple[str, ...]
Read = Callable[[Reading], Any]
_MEMBER, _MOST_LESSONS = "[]", 100
_NOTHING = object()
OTHERS: tuple[Any, ...] = (_NOTHING, None, "", "a word on no page", 0, -1, True, [], {}, [None], [{}])
#: What `Reading` complains of, the telling words of each.
_KINDS = ("an object", "an array", "a number", "true or false", "a time", "a job id", "a string")
USUAL = ("success", "code", "error", "message", "details", "retry_after")


def json_for(vendor: Vendor) -> st.SearchStrategy[Any]:
    """Any JSON, with a liking for the vendor's own names."""
    names = st.sampled_from([*names_in(vendor), *USUAL]) | st.text(CALM, max_size=4)
    return st.recursive(
        ATOMS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=6),
        max_leaves=25,
    )


def spoiled_for(vendor: Vendor, read: Read) -> st.SearchStrategy[Any]:
    """Answers as a reader of the vendor likes them, with a few places set to something else, or left out."""
    values = ATOMS | st.sampled_from(["a1", "a word on no page", *vendor.words]) | st.just([]) | st.just({})

    def spoiled(liking: Liking) -> st.SearchStrategy[Any]:
        places = st.sampled_from(sorted(liking.asked) or [("id",)])
        return st.dictionaries(places, st.just(_NOTHING) | values, max_size=4).map(liking.built)

    return st.sampled_from(likings_of(vendor, read)).flatmap(spoiled)


def likely_for(vendor: Vendor, read: Read) -> Iterator[Any]:
    """Answers as a reader of the vendor likes them, and the same with each place once of each other kind."""
    for liking in likings_of(vendor, read):
        yield liking.built({})
        for place in sorted(liking.asked):
            yield from (liking.built({place: other}) for other in OTHERS)


def likings_of(vendor: Vendor, read: Read) -> Sequence["Liking"]:
    """What a reader likes, with each of the vendor's words, and with one that it does not know."""
    found = [Liking(word) for word in ("a1", *vendor.words)]
    for liking in found:
        liking.learn(read)
    return found


def orders_for(vendor: Vendor) -> st.SearchStrategy[Order]:
    """Any order, with a liking for the vendor's own names and values."""
    names = st.sampled_from(names_in(vendor) or ["prompt"])
    values = ATOMS | st.lists(ATOMS, max_size=4) | names
    params = st.dictionaries(names | st.text(CALM, max_size=4), values, max_size=6)
    calm = st.builds(
        Order,
        vendor=st.just(vendor.name),
        prompt=st.just("A cat"),
        seconds=st.none() | st.integers(4, 10),
        images=st.lists(st.sampled_from(["https://example.com/a.jpg", IMAGE]), max_size=3),
        model=st.sampled_from([None, *vendor.models]),
    )
    return calm | st.builds(
        Order,
        vendor=st.just(vendor.name),
        prompt=st.sampled_from(["A cat", "", " ", "x" * 5000]) | st.text(CALM, max_size=9),
        seconds=st.none() | st.integers(-1, 17) | st.integers(),
        aspect_ratio=st.none() | st.sampled_from(["16:9", "9:16", "1:1", "Auto"]) | st.text(CALM, max_size=5),
        images=st.lists(st.sampled_from(["https://example.com/a.jpg", IMAGE, "http://x", ""]), max_size=5),
        model=st.none() | st.sampled_from([*vendor.models, "x"]) | st.text(CALM, max_size=5),
        params=params | st.fixed_dictionaries({"input": params | ATOMS}),
    )


def source_of(vendor: Vendor) -> str:
    """The text of the vendor's file, "" where there is none to be had."""
    module = getmodule(vendor.submission)
    try:
        return getsource(module) if module else ""
    except (OSError, TypeError):  # a module that was never a file
        return ""


@cache
def _words_in(source: str) -> list[str]:
    return sorted(set(re.findall(r'"([A-Za-z_]{2,40})"', source)))


def names_in(vendor: Vendor) -> list[str]:
    """Every word that the vendor's file writes in quotes: its field names are among them."""
    return _words_in(source_of(vendor))


class Liking:
    """What a reader likes to be given, learnt from what it asks for and what it complains of."""

    def __init__(self, word: str) -> None:
        self.asked: set[Place] = set()
        self._kinds: dict[Place, str] = {(): "an object"}
        self._values = {"a number": 240, "true or false": True, "a time": "2025-01-01T12:00:00Z", "a string": word}

    def learn(self, read: Read) -> None:
        """Give the reader what it wants until it wants nothing more."""
        for _ in range(_MOST_LESSONS):
            before = len(self.asked), dict(self._kinds)
            try:
                read(Reading(_Listening(self.built({}), (), self.asked)))
            except Unreadable as error:
                self._kinds[_place(error.path)] = next((kind for kind in _KINDS if kind in error.problem), "a string")
            except Exception:  # noqa: BLE001 - a reader that stumbles is what the checks find, not what is learnt
                return
            if before == (len(self.asked), self._kinds):
                return

    def built(self, changes: Mapping[Place, Any], place: Place = ()) -> Any:
        """An answer as the reader likes it, but for these places."""
        if place in changes:
            return changes[place]
        kind = self._kinds.get(place, "a string")
        if kind == "an object":
            inner = {each[-1]: self.built(changes, each) for each in sorted(self.asked) if each[:-1] == place}
            return {name: value for name, value in inner.items() if value is not _NOTHING}
        if kind == "an array":
            found = self.built(changes, (*place, _MEMBER))
            return [] if found is _NOTHING else [found]
        return self._values.get(kind, "a1")


class _Listening(dict[str, Any]):
    """An object that notes what it is asked for."""

    def __init__(self, plain: Mapping[str, Any], place: Place, asked: set[Place]) -> None:
        super().__init__({name: _listening(value, (*place, name), asked) for name, value in plain.items()})
        self._place, self._asked = place, asked

    def get(self, name: str, default: Any = None) -> Any:
        """What is there under a name."""
        self._asked.add((*self._place, name))
        return super().get(name, default)

    def __missing__(self, name: str) -> Any:
        return self.get(name)


def _listening(value: Any, place: Place, asked: set[Place]) -> Any:
    if isinstance(value, dict):
        return _Listening(value, place, asked)
    return [_listening(each, (*place, _MEMBER), asked) for each in value] if isinstance(value, list) else value


def _place(path: str) -> Place:
    return tuple(re.sub(r"\[\d+\]", f".{_MEMBER}", path).split(".")) if path else ()
