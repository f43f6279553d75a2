"""Living links: who gets one, and what their tokens are worth."""

from pathlib import Path

import pytest

from receiver.links import Links
from receiver.tokens import Seal, Tokens
from schemas.errors import BadToken
from schemas.event import Video
from schemas.values import replace
from tests.support.configuration import SECRET_KEY, TOP, configured
from tests.support.parcels import ALERT, READY

PUBLIC = 'public_url = "https://hooks.example.com"\n'
THREE = replace(READY, videos=(*READY.videos, Video("raw_key.mp4"), Video("https://a.b/3.mp4")))


def links(folder: Path, text: str = PUBLIC) -> Links:
    return Links(configured(folder, text + TOP))


def token_of(link: str | None) -> str:
    assert link is not None
    return link.removeprefix("https://hooks.example.com/clips/")


def test_a_link_leads_back_to_its_job_and_number(tmp_path: Path) -> None:
    made = links(tmp_path)
    assert made.read(token_of(made.of(READY, 1))) == (READY.job_id, 1)
    assert made.read(token_of(made.of(THREE, 3))) == (READY.job_id, 3)


def test_only_what_can_be_opened_has_a_link(tmp_path: Path) -> None:
    made = links(tmp_path)
    assert [made.of(THREE, number) is not None for number in (0, 1, 2, 3, 4)] == [False, True, False, True, False]
    assert made.of(ALERT, 1) is None
    assert made.of(replace(READY, job_id=None), 1) is None


@pytest.mark.parametrize("text", ["", f"{PUBLIC}links = false\n"])
def test_there_are_no_links_without_an_address_of_ours_or_when_they_are_off(tmp_path: Path, text: str) -> None:
    off = links(tmp_path, text)
    assert not off.are_on
    assert off.of(READY, 1) is None
    with pytest.raises(BadToken):
        off.read(token_of(links(tmp_path).of(READY, 1)))


def test_a_token_of_another_purpose_or_shape_is_worth_nothing(tmp_path: Path) -> None:
    made, job_id = links(tmp_path), str(READY.job_id)
    good = Seal([SECRET_KEY], "clip.v1")
    others = [
        Tokens([SECRET_KEY]).path("vrex", f"{job_id}-1").rpartition("/")[2],
        Seal(["another-key-" * 4], "clip.v1").seal(f"{job_id}-1"),
        *(good.seal(value) for value in (job_id, f"{job_id}-0", f"{job_id}-01", f"{job_id}-1-1", "evt_1-1")),
        "",
        f"{job_id}-1",
    ]
    for token in others:
        with pytest.raises(BadToken):
            made.read(token)
    # the control
    assert made.read(good.seal(f"{job_id}-1")) == (job_id, 1)


def test_a_poster_has_an_address_only_where_a_chat_could_load_it(tmp_path: Path) -> None:
    made = links(tmp_path)
    assert made.poster(READY, 1) == f"{made.of(READY, 1)}/poster.jpg"
    assert made.poster(ALERT, 1) is None
    near = links(tmp_path, 'public_url = "http://127.0.0.1:8000"\n')
    assert near.of(READY, 1) is not None
    assert near.poster(READY, 1) is None
    assert links(tmp_path, "").poster(READY, 1) is None
