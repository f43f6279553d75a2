"""Whatever happens, in whatever order, the truths hold: checked after every step of a machine that makes up lives.

Orders with every outcome, callbacks true, false, late and repeated, looks, crashes, clocks that jump, people who
decide; the real pieces on a real store beside a scripted vendor. Each planted mistake makes the same machine go red.
"""

import asyncio
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.exc import IntegrityError

from schemas.errors import Conflict, RequestRefused, VendorBusy, VendorRefused, VendorUnreachable
from schemas.job import Job, JobState
from schemas.order import Order
from tests.support.planted import MISTAKES
from tests.support.scripted_vendor import MAKES, OTHER, Made
from tests.support.small_world import Bug, World
from tests.support.truths import Truths

SECOND, HOUR = 1_000_000, 3600 * 1_000_000
#: What a caller sees of each outcome: the job's state, or how it is refused.
SEEN: dict[str, JobState | type[RequestRefused]] = {
    "accepted": JobState.RUNNING,
    "refused": VendorRefused,
    "busy": VendorBusy,
    **dict.fromkeys(("lost", "lost_before", "cut", "500_after", "no_id", "garbage"), JobState.UNKNOWN),
}
ORDERS: dict[str, dict[str, Any]] = {
    "vrex": {"vendor": "vrex"},
    "aivideoapi": {"vendor": "aivideoapi"},
    "unpriced": {"vendor": "aivideoapi", "model": "veo-3-extend", "params": {"extend_task_id": "t1"}},
    "artnex": {"vendor": "artnex", "model": "veo3-fast"},
}
LOOKS = ("truth", "truth", "truth", "lag", "404", "429", "500", "401", "cut", "garbage", "unknown_word")
GARBAGE = (b"", b"[[[[", b"\xff\xfe", b'{"event": NaN}', b"{}", b'{"id": "\\ud800"}')
#: Multiples of 30 s, and the vendor's Retry-After is none: an order never waits a few seconds for its turn, which this
#: clock would not bring about.
JUMPS = (30, 150, 3600, 7200, 90_000, -30, -3600)
which = st.integers(0, 99)


class Machine(RuleBasedStateMachine):
    """One life of an installation."""

    bug = Bug()

    @initialize(confirm=st.sampled_from(["failures", "never", "always"]))
    def begin(self, confirm: str) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.world = World(self.folder, confirm, self.bug)
        self.vendor = self.world.vendor
        self.truths = Truths(self.world)
        self.confirm = confirm
        self.orders: list[Order] = []
        #: Bodies that the vendor has written and may send at any time, again and again, in any order.
        self.outbox: list[tuple[Made, bytes]] = []
        #: Orders whose answers are held back, oldest first.
        self.waiting: list[asyncio.Future[Any]] = []

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()
            shutil.rmtree(self.folder)

    # --- orders ---

    @rule(kind=st.sampled_from(sorted(ORDERS)), outcome=st.sampled_from(sorted(SEEN)))
    def submit(self, kind: str, outcome: str) -> None:
        order = self._new_order(kind)
        self.vendor.next_order = outcome
        before = len(self.vendor.posts)
        seen = self.world.run(self._placed(order))
        # after a 429 it is not even tried for a while
        assert seen == (SEEN[outcome] if len(self.vendor.posts) > before else VendorBusy)

    @rule(kind=st.sampled_from(sorted(ORDERS)))
    def submit_and_wait_for_the_answer(self, kind: str) -> None:
        order = self._new_order(kind)
        self.vendor.next_order = "held"
        self.world.run(self._on_its_way(order))

    @precondition(lambda self: self.vendor.holds)
    @rule(outcome=st.sampled_from(sorted(MAKES - {"held"})))
    def the_answer_comes(self, outcome: str) -> None:
        self.vendor.release(outcome)
        self.world.run(self._answered(self.waiting.pop(0)))

    @rule(kind=st.sampled_from(sorted(ORDERS)))
    def queue(self, kind: str) -> None:
        order = self._new_order(kind).model_copy(update={"queue": True})
        self.orders[-1] = order
        assert self.world.run(self._placed(order)) is JobState.QUEUED

    @rule()
    def submit_to_nobody(self) -> None:
        before = len(self.vendor.posts)
        order = self._new_order("vrex").model_copy(update={"vendor": "away"})
        self.orders[-1] = order
        assert self.world.run(self._placed(order)) is VendorUnreachable
        assert len(self.vendor.posts) == before

    @precondition(lambda self: self.orders)
    @rule(number=which, outcome=st.sampled_from(sorted(SEEN)))
    def repeat_an_order(self, number: int, outcome: str) -> None:
        """The same key again: the first job, unless it left none."""
        self.vendor.next_order = outcome
        order = self.orders[number % len(self.orders)]
        if not self.vendor.holds:  # who repeats an order under way waits for it
            self.world.run(self._placed(order))

    # --- the vendor goes on ---

    @precondition(lambda self: self.vendor.made)
    @rule(number=which, verdict=st.sampled_from(["completed", "completed", "failed"]), calls=st.booleans())
    def the_vendor_finishes(self, number: int, verdict: str, calls: bool) -> None:
        made = self._made(number)
        self.vendor.finish(made, verdict)
        if made.callback_url is not None:
            self.outbox.append((made, self.vendor.callback(made)))
            if calls:
                self._send(self.outbox[-1:])

    @precondition(lambda self: self.outbox)
    @rule(number=which, copies=st.integers(1, 4))
    def a_callback_comes(self, number: int, copies: int) -> None:
        """Late, early, out of order, once more, several at once."""
        self._send([self.outbox[number % len(self.outbox)]] * copies)

    @precondition(lambda self: any(made.callback_url for made in self.vendor.made))
    @rule(number=which)
    def news_of_a_running_job(self, number: int) -> None:
        self.outbox.append((made := self._calling(number), self.vendor.callback(made, "running")))

    @precondition(lambda self: any(made.callback_url for made in self.vendor.made))
    @rule(number=which)
    def a_callback_lies(self, number: int) -> None:
        made = self._calling(number)
        said = OTHER[made.truth]
        # what is not confirmed is believed: the token is worth that much
        believed = self.confirm == "never" or (self.confirm == "failures" and said == "completed")
        made.belied = made.belied or believed
        self._send([(made, self.vendor.callback(made, said))])

    @precondition(lambda self: any(made.callback_url for made in self.vendor.made))
    @rule(number=which, body=st.sampled_from([*GARBAGE, "other id", "unknown word"]))
    def a_callback_makes_no_sense(self, number: int, body: bytes | str) -> None:
        made = self._calling(number)
        if body == "other id":
            name = "video_gen_id" if made.vendor == "vrex" else "id"
            body = self.vendor.callback(made, "completed", **{name: f"stranger_{len(self.world.acknowledged)}"})
        elif body == "unknown word":
            body = self.vendor.callback(made, "running", event="video.dreaming", status="dreaming")
        assert isinstance(body, bytes)
        job = self.world.run(self._job(made))
        self._send([(made, body)])
        if job is not None and job.vendor_job_id is None and b"stranger_" in body:
            made.belied = True  # as long as we know no other, the id in the first callback is the job's
        elif job is not None:
            after = self.world.run(self._job(made))
            assert after is not None
            assert (after.state, after.vendor_job_id) == (job.state, job.vendor_job_id)

    # --- clipbell goes on ---

    @rule(looks=st.sampled_from(LOOKS), order=st.sampled_from(sorted(SEEN)))
    def the_keeper_tends(self, looks: str, order: str) -> None:
        self.vendor.looks, self.vendor.next_order = looks, order
        self.world.run(self.world.keep())

    @precondition(lambda self: self.vendor.made)
    @rule(number=which, looks=st.sampled_from(LOOKS))
    def somebody_looks(self, number: int, looks: str) -> None:
        self.vendor.looks = looks
        self.world.run(self._looked(self._made(number)))

    @precondition(lambda self: self.outbox)
    @rule(number=which)
    def everything_at_once(self, number: int) -> None:
        made, body = self.outbox[number % len(self.outbox)]
        self.vendor.looks, self.vendor.next_order = "truth", "accepted"
        self.world.run(self._raced(made, body))

    @precondition(lambda self: self.vendor.made)
    @rule(number=which)
    def urls_are_renewed(self, number: int) -> None:
        self.vendor.looks = "truth"
        self.world.run(self._renewed(self._made(number)))

    @precondition(lambda self: self.vendor.made)
    @rule(number=which, word=st.sampled_from(["sent", "sent", "another", "nobody's", "not-sent"]))
    def a_person_resolves(self, number: int, word: str) -> None:
        made = self._made(number)
        other = self._made(number + 1)
        named = {"sent": made.id, "another": other.id, "nobody's": "nobody_1", "not-sent": None}[word]
        if other is not made and word == "another":
            other.belied = True  # where nothing else of ours has that id, this one gets it
        self.vendor.looks = "truth"
        resolution = "not-sent" if word == "not-sent" else "sent"
        if self.world.run(self._resolved(made, resolution, named)) and resolution == "not-sent":
            # by a person's word it may be ordered again
            self.vendor.posts = [each for each in self.vendor.posts if each.prompt != made.prompt]

    @rule(seconds=st.sampled_from(JUMPS))
    def the_clock_jumps(self, seconds: int) -> None:
        self.world.now += seconds * SECOND

    @rule()
    def the_program_dies(self) -> None:
        self.world.run(self.world.crash())

    @rule()
    def the_vendor_finishes_and_tells_everything(self) -> None:
        """Then nothing that it made is left without its verdict, however it was ordered and whatever came between."""
        self.vendor.looks, self.vendor.next_order = "truth", "accepted"
        for _ in range(8):
            for made in self.vendor.made:
                self.vendor.finish(made, "completed")
            self._send([(made, self.vendor.callback(made)) for made in self.vendor.made if made.callback_url])
            self.world.run(self.world.keep())
            self.world.now += HOUR
        self.truths.everything_is_settled()

    @invariant()
    def truths_hold(self) -> None:
        if hasattr(self, "truths"):
            self.truths.hold()

    # --- how ---

    def _new_order(self, kind: str) -> Order:
        number = len(self.orders) + 1
        order = Order.model_validate(ORDERS[kind] | {"prompt": f"Clip {number}", "idempotency_key": f"key-{number}"})
        self.orders.append(order)
        return order

    async def _placed(self, order: Order) -> JobState | type[RequestRefused]:
        try:
            return (await self.world.life.submitter.order(order)).job.state
        except RequestRefused as refused:
            return type(refused)

    async def _on_its_way(self, order: Order) -> None:
        self.vendor.holding.clear()
        placed, holds = asyncio.ensure_future(self._placed(order)), asyncio.ensure_future(self.vendor.holding.wait())
        await asyncio.wait({placed, holds}, return_when=asyncio.FIRST_COMPLETED)
        holds.cancel()
        if self.vendor.holding.is_set():
            self.waiting.append(placed)

    async def _answered(self, order: asyncio.Future[Any]) -> None:
        await asyncio.wait({order})  # cancelled, if the program died meanwhile

    def _made(self, number: int) -> Made:
        return self.vendor.made[number % len(self.vendor.made)]

    def _calling(self, number: int) -> Made:
        calling = [made for made in self.vendor.made if made.callback_url]
        return calling[number % len(calling)]

    def _send(self, bodies: list[tuple[Made, bytes]]) -> None:
        async def main() -> None:
            calls = [self.world.callback(made.callback_url or "", body) for made, body in bodies]
            assert set(await asyncio.gather(*calls)) <= {200}

        self.world.run(main())

    async def _job(self, made: Made) -> Job | None:
        store = self.world.life.store
        if made.callback_url is not None:
            return await store.job(self.world.job_id(made.callback_url))
        return await store.job_by_vendor_id(made.vendor, made.id)

    async def _looked(self, made: Made) -> None:
        job = await self._job(made)
        if job is not None and job.vendor_job_id is not None:
            with suppress(VendorBusy):
                await self.world.life.looker.look(job)

    async def _raced(self, made: Made, body: bytes) -> None:
        call = made.callback_url or ""
        await asyncio.gather(
            self._looked(made), self.world.callback(call, body), self.world.keep(), self.world.callback(call, body)
        )

    async def _renewed(self, made: Made) -> None:
        job = await self._job(made)
        if job is not None and job.state is JobState.COMPLETED and made.truth == "completed":
            with suppress(VendorBusy):
                fresh = await self.world.life.looker.fresh_videos(job.id)
                assert fresh or made.belied

    async def _resolved(self, made: Made, resolution: str, vendor_job_id: str | None) -> bool:
        job = await self._job(made)
        if job is None:
            return False
        try:
            await self.world.life.taker.resolve(job, {"resolution": resolution, "vendor_job_id": vendor_job_id})
        except Conflict:
            return False
        return True


# --- the runs ---

#: Steps that fail are shown as they came: to make them shorter takes longer than a quick run may.
QUICK = settings(max_examples=20, stateful_step_count=30, phases=[Phase.reuse, Phase.generate])
LONG = settings(max_examples=600, stateful_step_count=60)
#: The same steps every time, and none is tried again to make it shorter.
CONTROL = settings(max_examples=100, stateful_step_count=30, derandomize=True, phases=[Phase.generate], database=None)


@pytest.mark.timeout(150)
def test_whatever_happens_the_truths_hold() -> None:
    run_state_machine_as_test(Machine, settings=QUICK)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_whatever_happens_for_long_the_truths_hold() -> None:
    run_state_machine_as_test(Machine, settings=LONG)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(mistake: str) -> None:
    bug, found = MISTAKES[mistake]

    class Planted(Machine):
        pass

    Planted.bug = bug
    # the store has a guard of its own against a second verdict
    with pytest.raises((AssertionError, IntegrityError), match=found):
        run_state_machine_as_test(Planted, settings=CONTROL)
