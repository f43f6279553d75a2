"""What the outcome of an attempt changes."""

from datetime import UTC, datetime

from handlers.protocol import Done, GiveUp, Outcome, Saved, TryLater
from receiver.delivering import Ending, ending
from receiver.routing import Route
from receiver.store.protocol import Attempt, Claimed, Delivery, Finish
from receiver.web.shapes import delivery_json
from schemas.event import Event, EventType, Source, Trust
from schemas.job import Job
from schemas.values import replace
from tests.support.jobs import EVERYTHING, NOON, SECOND, rules
from tests.support.stored import a_job

WHEN = datetime(2025, 1, 1, 12, tzinfo=UTC)
EVENT = Event("evt_9", EventType.COMPLETED, "vrex", "vrex", "job_1", "vg_1", WHEN, WHEN, Source.CALLBACK, Trust.TOKEN)
BOTH = (Route("slack", ("",), EVERYTHING), Route("mail", ("a@b.example",), EVERYTHING))


def delivery(*outcomes: str) -> Delivery:
    attempts = tuple(Attempt(NOON, word) for word in outcomes)
    return Delivery("dlv_1", "evt_9", "job_1", "slack", "", "running", NOON, None, attempts=attempts)


def codes(end: Finish) -> list[str]:
    return [raised.code for raised in end.raised]


def test_a_download_that_keeps_failing_is_at_risk_before_it_is_lost() -> None:
    assert codes(finish(TryLater("HTTP 500"), *["later"] * 3, perishable=True)) == []
    end = finish(TryLater("HTTP 500"), *["later"] * 4, perishable=True)
    assert codes(end) == ["clip.at_risk"]
    assert end.raised[0].subject == "job_1"
    assert end.raised[0].text == "The clip of job_1 is not saved yet after 5 tries: HTTP 500"


def test_that_a_clip_is_at_risk_goes_only_to_those_who_hear_of_its_job() -> None:
    ours = Route("ours", ("",), EVERYTHING, tags=frozenset({"ours"}))
    theirs = Route("theirs", ("",), EVERYTHING, tags=frozenset({"theirs"}))
    claimed = Claimed(delivery(*["later"] * 4), replace(EVENT, tags=("ours",)), None)
    (raised,) = ending(
        Ending(claimed, TryLater("HTTP 500"), True, NOON, 0.5), rules("never", *BOTH, ours, theirs)
    ).raised
    assert (raised.job_id, raised.told.event.job_id, raised.told.event.account) == ("job_1", "job_1", "vrex")
    assert [told.handler for told in raised.told.deliveries] == ["mail", "ours"]


def test_a_download_whose_url_dies_soon_is_at_risk_at_its_first_failure() -> None:
    claimed = Claimed(replace(delivery(), deadline=NOON + 14 * 60 * SECOND), EVENT, None)
    end = ending(Ending(claimed, TryLater("HTTP 500"), True, NOON, 0.5), rules("never", *BOTH))
    assert codes(end) == ["clip.at_risk"]
    assert end.raised[0].next_step.startswith("Its URL dies at 2025-01-01T12:14:00Z; ")


def test_a_clip_that_is_saved_after_all_is_at_risk_no_more() -> None:
    assert [cleared.code for cleared in finish(Done(), "later", perishable=True).cleared] == ["clip.at_risk"]


def finish(outcome: Outcome, *before: str, event: Event = EVENT, perishable: bool = False) -> Finish:
    claimed = Claimed(delivery(*before), event, None)
    return ending(Ending(claimed, outcome, perishable, NOON, 0.5), rules("never", *BOTH))


def test_done_is_done() -> None:
    end = finish(Done("ok"))
    assert (end.state, end.attempt) == ("done", Attempt(NOON, "done", None, "ok"))


def test_later_follows_the_schedule() -> None:
    end = finish(TryLater("HTTP 500"), "later")
    assert (end.state, end.next_at) == ("pending", NOON + 30 * SECOND)


def test_giving_up_raises_an_alert_through_the_other_handlers() -> None:
    end = finish(GiveUp("HTTP 404"))
    assert end.state == "dead"
    (raised,) = end.raised
    assert (raised.code, raised.subject) == ("delivery.dead", "dlv_1")
    assert [new.handler for new in raised.told.deliveries] == ["mail"]


def test_the_last_failure_of_the_schedule_is_dead() -> None:
    end = finish(TryLater("HTTP 500"), *["later"] * 10)
    assert end.state == "dead"
    assert end.attempt is not None
    assert end.attempt.reason == "HTTP 500; no attempts are left"


def test_two_dead_handlers_do_not_tell_each_other_for_ever() -> None:
    alert = replace(EVENT, type=EventType.RAISED, detail={"code": "delivery.dead", "subject": "dlv_0"})
    (raised,) = finish(GiveUp("HTTP 404"), event=alert).raised
    assert raised.told.deliveries == ()


def test_a_saved_file_is_told_and_remembered() -> None:
    end = finish(Done(saved=(Saved(1, "clips/a.mp4", 10, "ab"),)))
    assert [clip.path for clip in end.clips] == ["clips/a.mp4"]
    assert [told.event.type for told in end.told] == [EventType.SAVED]
    assert end.told[0].event.detail == {"path": "clips/a.mp4", "bytes": 10, "sha256": "ab", "poster": None}


def test_a_clip_that_is_not_as_ordered_is_told_once_it_is_saved() -> None:
    film = Saved(1, "clips/a.mp4", 10, "ab", seconds=5, width=1280, height=720)
    end = saved(Done(saved=(film,)), a_job(seconds=8, picture="16:9"))
    (raised,) = end.raised
    assert (end.state, raised.code, raised.subject, raised.job_id) == ("done", "clip.mismatch", "job_1", "job_1")
    assert raised.text == "The clip of job_1 is not as ordered: it lasts 5 s instead of 8 s"
    assert raised.next_step.endswith("or order it again with: clipbell again job_1")
    assert end.cleared == ()
    both = saved(Done(saved=(film, replace(film, number=2, seconds=8, width=720))), a_job(seconds=8, picture="16:9"))
    assert both.raised[0].text.endswith(
        "file 1: it lasts 5 s instead of 8 s; file 2: its picture is 720x720 instead of 16:9"
    )


def test_a_clip_that_is_as_ordered_says_so_only_where_it_was_saved_before() -> None:
    film = Saved(1, "clips/a.mp4", 10, "ab", seconds=8.04, width=1280, height=720)
    job = a_job(seconds=8, picture="1280x720")
    assert (saved(Done(saved=(film,)), job).raised, saved(Done(saved=(film,)), job).cleared) == ((), ())
    assert [each.code for each in saved(Done(saved=(film,)), job, "done").cleared] == ["clip.mismatch"]


def saved(outcome: Outcome, job: Job, *before: str) -> Finish:
    end = Ending(Claimed(delivery(*before), EVENT, None), outcome, False, NOON, 0.5, job=job)
    return ending(end, rules("never", *BOTH))


def test_a_dead_delivery_that_succeeds_after_all_clears_its_alert() -> None:
    end = finish(Done(), "gave_up")
    assert [cleared.subject for cleared in end.cleared] == ["dlv_1"]


def test_a_perishable_delivery_is_tried_again_after_a_second() -> None:
    assert finish(TryLater("HTTP 500"), perishable=True).next_at == NOON + SECOND


FULL = TryLater("/clips cannot be written: no space left on device", no_room_at="/clips")


def test_waiting_for_room_is_told_through_the_others_and_is_one_attempt() -> None:
    first = finish(FULL, perishable=True)
    assert (first.state, first.attempt) == ("pending", Attempt(NOON, "no_room", FULL.reason, "/clips"))
    (raised,) = first.raised
    assert (raised.code, raised.subject, raised.job_id) == ("disk.low", "/clips", None)
    assert raised.text == f"Clips wait for room: {FULL.reason}"
    assert [told.handler for told in raised.told.deliveries] == ["mail"]
    waited = replace(delivery(), attempts=(Attempt(NOON - 60 * SECOND, "no_room", "", "/clips"),))
    again = ending(Ending(Claimed(waited, EVENT, None), FULL, True, NOON, 0.5), rules("never", *BOTH))
    assert (again.state, again.attempt, again.next_at) == ("pending", None, NOON + 15 * SECOND)


def test_waiting_for_room_never_ends_a_delivery_nor_counts_as_a_failure() -> None:
    old = replace(delivery(*["later"] * 100, "no_room"), created_at=NOON - 30 * 86_400 * SECOND)
    end = ending(Ending(Claimed(old, EVENT, None), FULL, True, NOON, 0.5), rules("never", *BOTH))
    assert (end.state, codes(end)) == ("pending", ["disk.low"])
    assert finish(TryLater("HTTP 500"), *["later"] * 9, "no_room", perishable=True).next_at == NOON + SECOND


def test_a_clip_that_dies_while_it_waits_for_room_is_at_risk() -> None:
    claimed = Claimed(replace(delivery(), deadline=NOON + 14 * 60 * SECOND), EVENT, None)
    assert codes(ending(Ending(claimed, FULL, True, NOON, 0.5), rules("never", *BOTH))) == ["disk.low", "clip.at_risk"]


def test_no_list_shows_a_folder_of_ours_as_an_answer() -> None:
    attempts = (Attempt(NOON, "no_room", FULL.reason, "/clips"), Attempt(NOON, "later", "HTTP 500", "busy"))
    shown = delivery_json(replace(delivery(), attempts=attempts))["attempts"]
    assert [each["answer"] for each in shown] == [None, "busy"]
