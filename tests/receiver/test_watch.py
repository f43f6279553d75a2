"""The watch: callbacks that keep not coming, and our own call through public_url."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from receiver.kit import Kit
from receiver.settings import load
from receiver.store.accounts import Past
from receiver.store.opening import open_store
from receiver.store.protocol import Query
from receiver.tokens import Seal
from receiver.watch import (
    IN_A_ROW,
    NONCE,
    PROOF,
    TELLING,
    Watch,
    come_again,
    do_not_come,
    proof,
    seal_of,
    wait_after,
)
from receiver.work import make_kit
from schemas.errors import BadToken
from schemas.values import replace
from tests.support.http_server import Reply, Seen, closed_port, serving
from tests.support.jobs import NOON, SECOND

KEY = "k" * 32
NOW = NOON + 3600 * SECOND
STANDING = Query({"standing": True})


def settled(minute: int, by: str = "poll", *, callback: bool = True) -> Past:
    moment = NOON + minute * 60 * SECOND
    return Past("vrex", "veo-3.1-lite", "completed", callback, by, moment - 30 * SECOND, moment)


# --- callbacks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("past", "last_callback", "missing"),
    [
        ([], None, False),
        ([settled(1), settled(2)], None, False),
        ([settled(3), settled(1), settled(2)], None, True),
        ([settled(1), settled(2, "history"), settled(3)], None, True),
        ([settled(1), settled(2, "callback"), settled(3)], NOON, False),
        ([settled(0, "callback"), settled(1), settled(2), settled(3)], NOON, True),
        ([settled(1), settled(2), settled(3), settled(4, "callback")], NOON, False),
        ([settled(1, callback=False), settled(2), settled(3)], None, False),
        ([settled(1), settled(2), settled(3)], NOON + 61 * SECOND, False),
        ([settled(1), settled(2), settled(3)], NOON + 59 * SECOND, True),
    ],
)
def test_three_verdicts_in_a_row_that_only_looks_have_found_are_a_sign(
    past: list[Past], last_callback: int | None, missing: bool
) -> None:
    assert IN_A_ROW == 3
    assert do_not_come(past, last_callback, NOW) is missing


def test_a_callback_may_be_a_little_later_than_a_look() -> None:
    past = [settled(1), settled(2), settled(3)]
    just_settled = past[-1].settled_at
    assert not do_not_come(past, None, just_settled + 4 * SECOND)
    assert do_not_come(past, None, just_settled + 5 * SECOND)


def test_a_callback_after_the_alert_clears_it() -> None:
    standing = {"vrex": NOON, "second": NOON, "third": NOON}
    assert come_again(standing, {"vrex": NOON + 1, "second": NOON}) == ["vrex"]


# --- our own call ------------------------------------------------------------------------------------------


def test_a_proof_is_given_for_a_nonce_and_for_nothing_else() -> None:
    seal = seal_of([KEY])
    nonce = "n" * 32
    given = proof(seal, nonce)
    assert given is not None
    assert seal.open(given) == nonce
    for odd in (None, "", "short", "n" * 65, "job_1 with spaces", "é" * 20):
        assert proof(seal, odd) is None


def test_a_proof_is_no_callback_token() -> None:
    given = proof(seal_of([KEY]), "job_01arz3ndektsv4rrffq69g5fav")
    assert given is not None
    with pytest.raises(BadToken):
        Seal([KEY], "callback.v1.vrex").open(given)


def test_calls_that_fail_are_repeated_soon_and_then_slower() -> None:
    assert [wait_after(failures) for failures in (0, 1, 2, 3, 4, 5, 99)] == [300, 1, 2, 5, 10, 30, 30]


@asynccontextmanager
async def watching(tmp_path: Path, public_url: str) -> AsyncIterator[tuple[Watch, Kit]]:
    (tmp_path / "clipbell.toml").write_text(
        f'public_url = "{public_url}"\nsecret_keys = ["{KEY}"]\napi_token = "{"t" * 32}"\n'
        '[vendors.vrex]\napi_key = "sk-x"\n'
    )
    settings = load(tmp_path / "clipbell.toml", {})
    async with open_store(f"sqlite:///{tmp_path}/watch.db") as store:
        kit = make_kit(settings, store)
        yield Watch(kit), kit


def test_a_server_of_ours_is_known_by_its_proof(tmp_path: Path) -> None:
    def prove(seen: Seen) -> Reply:
        return Reply(headers={PROOF: proof(seal_of([KEY]), seen.headers[NONCE]) or ""})

    async def main(url: str) -> str | None:
        async with watching(tmp_path, url) as (watch, _):
            return await watch.call_ourselves()

    with serving() as server:
        server.answer(prove)
        assert asyncio.run(main(server.url)) is None
        assert server.seen[0].path == "/healthz"


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(body=b'{"status": "ok"}'), "another server, which answered HTTP 200"),
        (Reply(headers={PROOF: "nonsense"}), "another server"),
        (Reply(302, headers={"location": "https://example.com"}), "another server, which answered HTTP 302"),
        (Reply(headers={PROOF: proof(Seal(["x" * 32], "instance.v1"), "n" * 32) or ""}), "another server"),
    ],
)
def test_another_server_is_not_taken_for_ours(reply: Reply, says: str, tmp_path: Path) -> None:
    async def main(url: str) -> str | None:
        async with watching(tmp_path, url) as (watch, _):
            return await watch.call_ourselves()

    with serving(reply) as server:
        assert says in str(asyncio.run(main(server.url)))


def test_a_few_failures_are_told_once_and_a_success_clears_them(tmp_path: Path) -> None:
    async def main(proxy: str) -> None:
        async with watching(tmp_path, proxy) as (watch, kit):
            for number in range(TELLING + 2):
                assert len(await kit.store.alerts(STANDING)) == (1 if number >= TELLING else 0)
                await watch.try_line()
            (alert,) = await kit.store.alerts(STANDING)
            assert (alert["code"], alert["subject"]) == ("callbacks.missing", "public_url")
            assert "cannot be reached" in alert["text"]
            with serving() as server:
                server.answer(lambda seen: Reply(headers={PROOF: proof(seal_of([KEY]), seen.headers[NONCE]) or ""}))
                watch._kit = replace(kit, settings=replace(kit.settings, public_url=server.url))
                await watch.try_line()
            assert await kit.store.alerts(STANDING) == []

    asyncio.run(main(f"http://127.0.0.1:{closed_port()}"))
