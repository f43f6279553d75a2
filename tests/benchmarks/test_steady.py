"""Slow moments of the machine are told apart from a slow program."""

import time

from tests.benchmarks.steady import Probe, Tail, slow_spans, tail_of, tails_told, watched

USUAL = 0.0001


def _probes(*took: float) -> list[Probe]:
    return [Probe(number, number + 0.5, each) for number, each in enumerate(took)]


def test_slow_moments_reach_from_one_usual_piece_of_work_to_the_next() -> None:
    took = [USUAL] * 20
    took[5] = took[6] = took[12] = 4 * USUAL
    assert slow_spans(_probes(*took)) == [(4.5, 7), (11.5, 13)]
    assert slow_spans(_probes(*[USUAL, 2 * USUAL] * 10)) == []


def test_a_call_that_meets_a_slow_moment_is_told_apart_and_one_that_is_late_by_itself_is_not() -> None:
    usual = [(float(number), 0.001) for number in range(98)]
    slow, met, late = [(200.4, 201.0)], (200.0, 0.5), (300.0, 0.2)
    assert tail_of([*usual, met], []).p99 == 500
    assert tail_of([*usual, met], slow).p99_calm == 1
    assert tail_of([*usual, met, late], slow).p99_calm == 200


def test_rounds_are_told_with_all_that_they_span() -> None:
    tails = [Tail(70.0, 20.0, 0.9), Tail(40.0, 30.0, 1.0), Tail(45.0, 10.0, 0.95)]
    told = "median of 3 rounds 45.0 ms (40.0 to 70.0); 20.0 ms (10.0 to 30.0) of the 95% that met"
    assert tails_told(tails).startswith(told)


def test_the_watch_lasts_as_long_as_what_is_measured() -> None:
    began = time.perf_counter()
    # to one watch everything is slow, and so all of its time one slow moment; to the other nothing
    with watched(slow=0) as to_all, watched(slow=1e6) as to_none:
        time.sleep(1)
    [(since, until)] = to_all.spans
    assert began < since < until < time.perf_counter()
    assert to_none.spans == []
