"""Living links: addresses of our own for clips, good for as long as anybody has the clip. Makes and reads them only.

A link is `{public_url}/clips/{token}`; the token is worth one file of one job, and like every token of ours it is a
credential: whoever has it may watch the clip. There is none where nobody could reach us, or where they are off.
"""

import re

from receiver.settings import Settings
from receiver.tokens import Seal
from schemas.errors import BadToken
from schemas.event import Event

_VALUE = re.compile(r"(?P<job>job_[a-z0-9]+)-(?P<number>[1-9][0-9]{0,3})")


class Links:
    """Makes links and reads their tokens."""

    def __init__(self, settings: Settings) -> None:
        self._base = settings.public_url if settings.links else None
        self._seal = Seal(settings.secret_keys, "clip.v1")

    @property
    def are_on(self) -> bool:
        """Whether there are links at all."""
        return self._base is not None

    def of(self, event: Event, number: int) -> str | None:
        """The link of an event's clip, by its number from 1; None where there is nothing to open."""
        if self._base is None or event.job_id is None or not 0 < number <= len(event.videos):
            return None
        if not event.videos[number - 1].is_url:
            return None
        return f"{self._base}/clips/{self._seal.seal(f'{event.job_id}-{number}')}"

    def poster(self, event: Event, number: int) -> str | None:
        """The address of a clip's poster, for messages whose medium loads it; None where it could not."""
        # a medium such as Slack loads from where it is, and only what is encrypted
        link = self.of(event, number) if self._base and self._base.startswith("https://") else None
        return f"{link}/poster.jpg" if link else None

    def read(self, token: str) -> tuple[str, int]:
        """The job and the number that a token is for.

        Raises: BadToken.
        """
        found = _VALUE.fullmatch(self._seal.open(token)) if self.are_on else None
        if found is None:
            raise BadToken
        return found["job"], int(found["number"])
