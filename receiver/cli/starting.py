"""The verb init: writes a first configuration with fresh secrets. Overwrites nothing."""

import os
import secrets
import shlex
from pathlib import Path

from receiver.cli import screen
from receiver.cli.trouble import Failure
from receiver.cli.verb import LOCAL, Given, verb

TEMPLATE = """\
# Clipbell's configuration. Every key can come from the environment instead: CLIPBELL_VENDORS__VREX__API_KEY=…
# `clipbell doctor` checks it.

# How vendors reach this server, with https. Without it no callback is registered and every job is polled.
# public_url = "https://hooks.example.com"
listen = "127.0.0.1:8000"
database_url = "sqlite:///clipbell.db"      # or postgresql://user:password@host/name

# The first signs callback addresses, all are accepted: to change it, put the new one in front.
secret_keys = ["{secret_key}"]
# The API's token and the dashboard's password.
api_token = "{api_token}"

# --- vendors: take the # away and fill in your key ------------------------------------------------

# [vendors.vrex]
# api_key = "sk-…"

# [vendors.aivideoapi]
# api_key = "sk-…"

# [vendors.veo3gen]
# api_key = "veo3_…"

# [vendors.ulazai]
# api_key = "ulazai_live_…"

# [vendors.artnex]
# api_key = "…"
# status_path = "/video/{{id}}"               # the vendor's page does not say it: ask them

# --- who is told, and what is saved ---------------------------------------------------------------

# Saves every clip before its address dies.
[handlers.clips]
type = "downloader"
target = "clips"
# keep_free = "1GiB"                          # with less free on its disk, downloads wait

# [handlers.team]
# type = "slack"
# url = "https://hooks.slack.com/services/…"

# [handlers.mail]
# type = "email"
# smtp_url = "smtps://user:password@smtp.example.com"
# sender = "clipbell@example.com"
# to = ["you@example.com"]

# [handlers.my-program]
# type = "webhook"
# url = "https://example.com/clipbell"
# secret = "whsec_…"

# --- what may be spent -----------------------------------------------------------------------------

# [budget]
# usd_per_day = "25.00"
"""


@verb(*LOCAL)
def init(given: Given) -> None:
    """Write a clipbell.toml with fresh secrets."""
    path = given.config or Path(os.environ.get("CLIPBELL_CONFIG") or "clipbell.toml")
    write_new(path, TEMPLATE.format(secret_key=secrets.token_urlsafe(36), api_token=secrets.token_urlsafe(24)))
    screen.say(f"Wrote {path}. Only you can read it: it holds secrets.")
    named = f" --config {shlex.quote(str(path))}" if given.config else ""
    screen.say(f"Next: put in the key of a vendor, then run `clipbell serve{named}`.")


def write_new(path: Path, text: str) -> None:
    """Write a file that only its owner may read. Raises: Failure where it exists or cannot be written."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Failure(
            f"{path} exists already and is left as it is; move it away first, or use --config OTHER."
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(f"{path} cannot be written ({reason}); name another place with --config FILE.") from None
    with os.fdopen(file, "w", encoding="utf-8") as out:
        out.write(text)
