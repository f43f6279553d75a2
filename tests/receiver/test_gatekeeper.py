"""The gatekeeper: which gate an outcome closes, which it opens, and who goes on then."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from receiver.gatekeeper import gate_of, keep, reason_of
from receiver.kit import Kit
from receiver.outlook import Outlooks
from receiver.settings import load
from receiver.store.accounts import Gate
from receiver.store.opening import open_store
from receiver.work import make_kit
from schemas.answers import Busy, Missing, Refused, Unclear
from schemas.report import Said
from schemas.values import replace
from schemas.vendor import Accepted, VendorError
from tests.support.jobs import NOON, SECOND, job, report

ERROR = VendorError("CODE", "words")
TOLD, GUESSED = Busy(30, ERROR), Busy(60, ERROR, told=False)
FULL = Busy(30, ERROR, orders_only=True)
SPENT = Busy(3600, ERROR, stops=True, orders_only=True)
NO_KEY, NO_MONEY = Refused(401, ERROR, stops=True), Refused(402, ERROR, balance=True, stops=True)


@pytest.mark.parametrize(
    ("outcome", "to_order", "kind", "seconds", "stopped"),
    [
        (TOLD, True, "", 30, False),
        (TOLD, False, "", 30, False),
        (FULL, True, "order", 30, False),
        (FULL, False, "", 30, False),
        (GUESSED, True, "queue", 60, False),
        (GUESSED, False, "look", 60, False),
        (SPENT, True, "order", 3600, True),
        (NO_KEY, True, "", 0, True),
        (NO_KEY, False, "", 0, True),
        (NO_MONEY, True, "order", 0, True),
        (NO_MONEY, False, "", 0, True),
    ],
)
def test_a_gate_is_closed_for_whom_the_vendor_means(
    outcome: object, to_order: bool, kind: str, seconds: int, stopped: bool
) -> None:
    reason = reason_of(outcome) if isinstance(outcome, Refused) else "CODE"
    closed = Gate("vrex", kind, NOON + seconds * SECOND, NOON, reason, stopped)
    assert gate_of(outcome, "vrex", to_order=to_order, now=NOON) == closed


@pytest.mark.parametrize(
    "outcome", [Accepted("vg_1"), report(), Missing(), Unclear("cut"), Refused(400, ERROR), object()]
)
def test_nothing_else_closes_a_gate(outcome: object) -> None:
    assert gate_of(outcome, "vrex", to_order=True, now=NOON) is None


def test_a_reason_names_code_and_status() -> None:
    assert reason_of(NO_KEY) == "CODE, HTTP 401"
    assert reason_of(Refused(403, VendorError("", ""))) == "HTTP 403"


# --- with a store --------------------------------------------------------------------------------------------


def played(tmp_path: Path, scenario: Callable[[Kit], Awaitable[None]]) -> None:
    (tmp_path / "clipbell.toml").write_text(
        f'secret_keys = ["{"k" * 32}"]\napi_token = "{"t" * 32}"\n'
        '[vendors.vrex]\napi_key = "sk-x"\n[vendors.veo3gen]\napi_key = "veo3_x"\n'
    )

    async def main() -> None:
        async with open_store(f"sqlite:///{tmp_path}/gates.db") as store:
            kit = make_kit(load(tmp_path / "clipbell.toml", {}), store)
            await scenario(replace(kit, now=lambda: NOON))

    asyncio.run(main())


async def kept(kit: Kit, outcome: object, *, to_order: bool = False) -> bool:
    account = kit.settings.accounts["vrex"]
    gates = (await Outlooks(kit).of(account)).gates
    return await keep(kit, account, outcome, gates, to_order=to_order)


def test_a_look_that_gets_through_opens_the_account_and_hastens_its_jobs(tmp_path: Path) -> None:
    async def scenario(kit: Kit) -> None:
        await kit.store.place(job(next_at=NOON + 3600 * SECOND, order_sha256=None), b"")
        assert not await kept(kit, NO_KEY)
        assert [gate.stopped for gate in await kit.store.gates()] == [True]
        assert not await kept(kit, Unclear("cut"))
        assert await kept(kit, report(Said.RUNNING))
        assert await kit.store.gates() == []
        assert [each.id for each in await kit.store.claim_jobs(NOON, NOON + SECOND, 9)] == ["job_1"]
        assert not await kept(kit, report(Said.RUNNING))

    played(tmp_path, scenario)


def test_a_look_says_nothing_of_the_purse_and_an_order_does(tmp_path: Path) -> None:
    async def scenario(kit: Kit) -> None:
        await kept(kit, NO_MONEY, to_order=True)
        await kept(kit, NO_KEY)
        assert not await kept(kit, report())
        assert [gate.kind for gate in await kit.store.gates()] == ["order"]
        assert await kept(kit, Accepted("vg_1"), to_order=True)
        assert await kit.store.gates() == []

    played(tmp_path, scenario)


# --- the outlook of an account ---------------------------------------------------------------------------------


def test_an_outlook_says_what_is_open_used_closed_and_learned(tmp_path: Path) -> None:
    async def scenario(kit: Kit) -> None:
        store, account = kit.store, kit.settings.accounts["vrex"]
        for number in range(5):
            fields: dict[str, Any] = {"order_sha256": None, "vendor_job_id": f"vg_{number}", "settled_at": NOON}
            done = replace(job(**fields), id=f"job_{number}", submitted_at=NOON - (40 + number) * SECOND)
            await store.place(replace(done, state=done.state.COMPLETED, next_at=None), b"")
        for number, callback in ((7, True), (8, False), (9, False)):
            one = job(order_sha256=None, vendor_job_id=f"vg_{number}", callback=callback)
            await store.place(replace(one, id=f"job_{number}"), b"")
        await store.take_turn("vrex", "look", account.limits, NOON - SECOND)
        await store.close_gate(Gate("veo3gen", "", NOON, NOON, "x"))
        outlook = await Outlooks(kit).of(account)
        assert (outlook.polled, outlook.share.jobs, outlook.share.used) == (2, 2, [1])
        assert (outlook.gates, outlook.early) == ((), False)
        lesson = outlook.lesson("veo-3.1-lite")
        assert lesson is not None
        assert (lesson.lower, lesson.median, lesson.upper) == (41, 42, 43)
        assert outlook.lesson("another") is None

    played(tmp_path, scenario)


def test_an_outlook_is_kept_for_a_moment_and_forgotten_when_told(tmp_path: Path) -> None:
    async def scenario(kit: Kit) -> None:
        outlooks, account = Outlooks(kit), kit.settings.accounts["vrex"]
        assert (await outlooks.of(account)).gates == ()
        await kit.store.close_gate(Gate("vrex", "", NOON, NOON, "x"))
        assert (await outlooks.of(account)).gates == ()
        outlooks.forget()
        assert len((await outlooks.of(account)).gates) == 1
        veo3gen = await outlooks.of(kit.settings.accounts["veo3gen"])
        assert (veo3gen.gates, veo3gen.share.used, veo3gen.share.jobs) == ((), [0, 0], 1)

    played(tmp_path, scenario)
