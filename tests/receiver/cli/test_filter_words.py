"""Words of filters: the command line, which must not load the server, has its own copy; it is held to the server's."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from receiver.cli import found, jobs, keeping, meter, paying, telling
from receiver.client import routes
from receiver.web import filters
from receiver.web.filters import Filters
from tests.support.command_line import clipbell


@pytest.mark.parametrize(
    ("ours", "servers"),
    [
        (jobs.STATES, filters.JOBS["state"]),
        (telling.TYPES, filters.EVENTS["type"]),
        (telling.STATES, filters.DELIVERIES["state"]),
        (keeping.KINDS, filters.EVIDENCE["kind"]),
        (keeping.VERDICTS, filters.EVIDENCE["verdict"]),
        (paying.KEYS, filters.SUMS["by"]),
        (tuple(found.MEANINGS), filters.FINDINGS["kind"]),
        # in an order of its own: what is over comes first
        (sorted(meter.STATES), sorted(filters.JOBS["state"] or ())),
    ],
)
def test_the_command_line_knows_the_servers_words(ours: Sequence[str], servers: Sequence[str]) -> None:
    assert ours == servers


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("jobs", "--state"), filters.JOBS["state"]),
        (("events", "--type"), filters.EVENTS["type"]),
        (("deliveries", "--state"), filters.DELIVERIES["state"]),
        (("evidence", "--kind"), filters.EVIDENCE["kind"]),
        (("evidence", "--verdict"), filters.EVIDENCE["verdict"]),
        (("ledger", "--by"), filters.SUMS["by"]),
    ],
)
def test_a_word_that_there_is_not_is_answered_with_those_that_there_are(
    tmp_path: Path, arguments: tuple[str, ...], words: Sequence[str]
) -> None:
    ended = clipbell(*arguments, "purple", folder=tmp_path)
    assert ended.code == 2
    assert all(word in ended.err for word in words)


@pytest.mark.parametrize(
    ("clients", "servers"),
    [
        (routes.JobFilters, filters.JOBS),
        (routes.EventFilters, filters.EVENTS),
        (routes.DeliveryFilters, filters.DELIVERIES),
        (routes.EvidenceFilters, filters.EVIDENCE),
        (routes.LineFilters, filters.LEDGER),
        (routes.FindingFilters, filters.FINDINGS),
        (routes.AlertFilters, filters.ALERTS),
        (routes.ClipFilters, filters.CLIPS),
    ],
)
def test_the_client_asks_by_all_that_the_server_knows_and_by_nothing_else(clients: type, servers: Filters) -> None:
    assert clients.__annotations__.keys() - {"limit", "cursor"} == servers.keys()
