"""Which events a replay means, and the replay itself."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver.cli.trouble import WrongUsage

if TYPE_CHECKING:
    from receiver.client import Clipbell, Delivery

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
#: Longer ago than anything that we know of.
_LONGEST = 100 * 365 * 86_400


def chosen(client: "Clipbell", ids: Sequence[str], since: str | None) -> list[str]:
    """The events that are named, or all of the last while, oldest first.

    Raises: WrongUsage.
    """
    if bool(ids) == bool(since):
        raise WrongUsage("Name the events to replay, or say --since 2h.")
    if not since:
        return list(ids)
    from receiver.clock import now

    oldest = now() - timedelta(seconds=seconds_of(since))
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = client.events(limit=200, cursor=cursor)
        found += [each.id for each in page if each.received_at >= oldest]
        cursor = page.next
        if cursor is None or any(each.received_at < oldest for each in page):
            return found[::-1]


def replayed(client: "Clipbell", ids: Sequence[str], *, handler: str | None, again: bool) -> list[str]:
    """Deliver events again; answer the deliveries that will run."""
    return [made for each in ids for made in client.replay(each, handler=handler, again=again)["deliveries"]]


def retried(client: "Clipbell", ids: Sequence[str]) -> "tuple[list[Delivery], list[str]]":
    """Try deliveries again; answer those that will be, and why the others will not."""
    from receiver.client import Refused, Unauthorized

    found: list[Delivery] = []
    refused: list[str] = []
    for each in ids:
        try:
            found.append(client.retry(each))
        except Unauthorized:
            raise
        except Refused as error:
            refused.append(str(error))
    return found, refused


def seconds_of(text: str) -> int:
    """Read `90s`, `10m`, `2h`, `7d`.

    Raises: WrongUsage.
    """
    found = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if not found:
        raise WrongUsage(f"--since {text!r} is no duration; write it as 90s, 10m, 2h or 7d.")
    return min(int(found[1]) * _UNITS[found[2]], _LONGEST)
