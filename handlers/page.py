"""Stories as the text and the HTML of a mail. Pure; every word from outside is escaped, nothing is loaded from the web.

Tables and inline styles, since mail programs know no others; colours that hold on a white and on a black ground.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from handlers.words import Story

if TYPE_CHECKING:
    from jinja2 import Template

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{ heading }}</title>
</head>
<body style="margin:0;padding:16px;font-family:system-ui,-apple-system,'Segoe UI',Arial,sans-serif;font-size:16px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:640px;margin:0 auto">
<tr><td style="padding:0 0 12px;font-size:20px;font-weight:bold">{{ heading }}</td></tr>
{%- for story in stories %}
<tr><td style="padding:12px 0;border-top:1px solid #888888">
{%- if many %}
<p style="margin:0 0 4px">{{ story.line }}</p>
{%- else %}
<p style="margin:0 0 12px;white-space:pre-wrap">{{ story.text }}</p>
<table role="presentation" cellpadding="0" cellspacing="0">
{%- for label, value in story.facts %}
<tr><td style="padding:2px 16px 2px 0;color:#767676">{{ label }}</td><td style="padding:2px 0">{{ value }}</td></tr>
{%- endfor %}
</table>
{%- for note in story.notes %}
<p style="margin:12px 0 0">{{ note }}</p>
{%- endfor %}
{%- endif %}
{%- for label, url in story.links %}
<p style="margin:12px 0 0"><a href="{{ url }}" style="color:#4a7dff;font-weight:bold">{{ label }}</a></p>
{%- endfor %}
</td></tr>
{%- endfor %}
</table>
</body>
</html>
"""


@cache  # compiled once; the same for everybody
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)


def html(heading: str, stories: Sequence[Story]) -> str:
    """Show one story at length, or many with a line each."""
    return _template().render(heading=heading, stories=stories, many=len(stories) > 1)


def text(heading: str, stories: Sequence[Story]) -> str:
    """Say the same without HTML."""
    parts = [heading, *(_short(told) if len(stories) > 1 else _long(told) for told in stories)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _short(told: Story) -> str:
    return "\n".join([told.line, *(url for _, url in told.links)])


def _long(told: Story) -> str:
    facts = "\n".join(f"{label}: {value}" for label, value in told.facts)
    links = "\n".join(f"{label}: {url}" for label, url in told.links)
    return "\n\n".join(part for part in (told.text, facts, "\n".join(told.notes), links) if part.strip())
