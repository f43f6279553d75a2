"""Server-sent events: from lines of text to notices. No IO.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import json

from .models import Changed


class Notices:
    """Puts the lines of a stream together; comments, retry hints and what is no notice are passed over."""

    def __init__(self) -> None:
        self._kind = ""
        self._data: list[str] = []

    def feed(self, line: str) -> Changed | None:
        """Take one line without its end; answer a notice when one is complete."""
        if not line:
            return self._complete()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._kind = value
        elif name == "data":
            self._data.append(value)
        return None

    def _complete(self) -> Changed | None:
        kind, text = self._kind, "\n".join(self._data)
        self._kind, self._data = "", []
        try:
            data = json.loads(text) if text else None
        except ValueError:
            return None
        if not isinstance(data, dict) or "id" not in data:
            return None
        return Changed(kind=kind or str(data.get("kind", "")), id=str(data["id"]), raw=data)
