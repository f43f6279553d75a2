"""Stories as the text and the HTML of a mail. Pure; every word from outside is escaped, nothing is loaded from the web.

Tables and inline styles, since mail programs know no others; the few that know a style sheet get a dark ground by it.
A picture is a part of the same mail, shown by its content id.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from handlers.words import Story, clipped

if TYPE_CHECKING:
    from jinja2 import Template

#: Of a prompt, so many characters; the job has the rest.
_SHOWN = 1500
#: (a story's title) -> the colour of its mark
_COLOURS = {"Ready": "#1a7f37", "Saved": "#1a7f37", "Solved": "#1a7f37", "Failed": "#cf222e", "Attention": "#bf8700"}
_NEUTRAL = "#57606a"
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{ heading }}</title>
<style>
@media (prefers-color-scheme: dark) {
.ground { background-color: #16181d !important }
.card { background-color: #22262e !important; border-color: #3d434d !important }
.words, .words a { color: #f0f2f5 !important }
.quiet { color: #a8b0bb !important }
.line { border-color: #3d434d !important }
.note { background-color: #2d323c !important }
}
</style>
</head>
<body class="ground" style="margin:0;padding:0;background-color:#f3f4f6">
<div style="display:none;max-height:0;overflow:hidden">{{ preheader }}</div>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" class="ground" \
style="background-color:#f3f4f6">
<tr><td align="center" style="padding:20px 12px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" class="card" \
style="max-width:600px;background-color:#ffffff;border:1px solid #d8dce2;border-radius:8px;\
font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.45">
<tr><td class="words" style="padding:20px 24px 16px 19px;color:#1f2328;font-size:21px;line-height:1.3;font-weight:bold;\
border-left:5px solid {{ colour }};border-radius:8px 0 0 0">{{ heading }}</td></tr>
{%- for story in stories %}
{%- if many %}
<tr><td class="words line" style="padding:14px 24px;color:#1f2328;border-top:1px solid #d8dce2;\
overflow-wrap:anywhere;word-break:break-word">
<span style="color:{{ colours.get(story.title, neutral) }}" aria-hidden="true">&#9679;</span> \
<span dir="auto">{{ story.line }}</span>
{%- for label, url in story.links %}
<br><a href="{{ url }}" style="color:#0969da">{{ label }}</a>
{%- endfor %}
</td></tr>
{%- else %}
{%- if picture %}
<tr><td style="padding:0 24px 16px"><img src="cid:{{ picture }}" width="550" alt="The clip's first picture" \
style="display:block;width:100%;max-width:550px;height:auto;border:0;border-radius:6px"></td></tr>
{%- endif %}
{%- if story.text.strip() %}
<tr><td class="words" dir="auto" style="padding:0 24px 16px;color:#1f2328;white-space:pre-wrap;\
overflow-wrap:anywhere;word-break:break-word">{{ clipped(story.text) }}</td></tr>
{%- endif %}
{%- if story.notes %}
<tr><td style="padding:0 24px 16px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">
<tr><td class="note words" style="padding:12px 16px;background-color:#f3f4f6;color:#1f2328;border-radius:6px;\
overflow-wrap:anywhere;word-break:break-word">
{%- for note in story.notes %}
<p style="margin:{{ '0' if loop.first else '8px 0 0' }}">{{ note }}</p>
{%- endfor %}
</td></tr></table></td></tr>
{%- endif %}
{%- for label, url in story.links %}
<tr><td style="padding:0 24px 16px"><table role="presentation" cellpadding="0" cellspacing="0" border="0"><tr>\
<td style="background-color:#0969da;border-radius:6px"><a href="{{ url }}" style="display:inline-block;\
padding:10px 18px;color:#ffffff;font-weight:bold;text-decoration:none">{{ label }}</a></td></tr></table></td></tr>
{%- endfor %}
{%- if story.facts %}
<tr><td class="line" style="padding:14px 24px 16px;border-top:1px solid #d8dce2">
<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="font-size:14px">
{%- for label, value in story.facts %}
<tr><td class="quiet" valign="top" style="padding:2px 16px 2px 0;color:#57606a">{{ label }}</td>\
<td class="words" dir="auto" style="padding:2px 0;color:#1f2328;overflow-wrap:anywhere;word-break:break-word">\
{{ value }}</td></tr>
{%- endfor %}
</table></td></tr>
{%- endif %}
{%- endif %}
{%- endfor %}
</table>
<div class="quiet" style="padding:12px 0 0;color:#57606a;font-size:13px;\
font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">Sent by Clipbell</div>
</td></tr></table>
</body>
</html>
"""


@cache  # compiled once; the same for everybody
def template() -> "Template":
    """The page, ready to be filled in."""
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)


def html(heading: str, stories: Sequence[Story], picture: str | None = None) -> str:
    """Show one story at length, or many with a line each; `picture`: the content id of the one story's."""
    return template().render(
        heading=heading,
        preheader=stories[0].line if len(stories) == 1 else "",
        stories=stories,
        many=len(stories) > 1,
        picture=picture,
        colour=_COLOURS.get(stories[0].title, _NEUTRAL) if len(stories) == 1 else _NEUTRAL,
        colours=_COLOURS,
        neutral=_NEUTRAL,
        clipped=lambda text: clipped(text, _SHOWN),
    )


def text(heading: str, stories: Sequence[Story]) -> str:
    """Say the same without HTML."""
    parts = [heading, *(_short(told) if len(stories) > 1 else _long(told) for told in stories)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _short(told: Story) -> str:
    return "\n".join([told.line, *(url for _, url in told.links)])


def _long(told: Story) -> str:
    facts = "\n".join(f"{label}: {value}" for label, value in told.facts)
    links = "\n".join(f"{label}: {url}" for label, url in told.links)
    parts = (clipped(told.text, _SHOWN), "\n".join(told.notes), links, facts)
    return "\n\n".join(part for part in parts if part.strip())
