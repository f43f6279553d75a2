"""The log: one line a record, and no secret in any, whoever wrote it and however."""

import json
import subprocess
import sys
from pathlib import Path

from receiver.secrets_of import secrets_of
from tests.support.configuration import API_KEY, API_TOKEN, SECRET_KEY, TEAM, TOP, VREX, configured

SECRET = 'pass"word\\with\u00e9verything'
TOKEN = "job_01jgh0000000000000000000b1." + "Ab-_" * 10 + "xyz"
CODE = """
import logging, sys
import structlog
from receiver import log
log.configure(sys.argv[1:])
ours, theirs = structlog.get_logger("clipbell"), logging.getLogger("uvicorn.error")
for text in (*sys.argv[1:], "{token}"):
    ours.info("said", path=f"/callbacks/vrex/{{text}}?a=b")
    try:
        raise RuntimeError(f"cannot use {{text}}")
    except RuntimeError as error:
        ours.error("broke", exc_info=True)
        theirs.error("Exception in ASGI application", exc_info=error)
"""


def logged(*secrets: str) -> str:
    code = CODE.format(token=TOKEN)
    done = subprocess.run([sys.executable, "-c", code, *secrets], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def test_what_is_a_secret_is_in_no_line_and_no_traceback() -> None:
    text = logged(SECRET, "https://hooks.slack.com/services/T7/B8/secret")
    for piece in (SECRET, json.dumps(SECRET)[1:-1], "T7/B8/secret", TOKEN.partition(".")[2]):
        assert piece not in text
    assert text.count("cannot use ***") == 4
    assert text.count("RuntimeError: cannot use job_01jgh0000000000000000000b1.***") == 2


def test_what_is_none_is_left_as_it_is() -> None:
    text = logged("nothing-else")
    assert '"event": "said"' in text
    assert "Traceback (most recent call last):" in text
    assert "/callbacks/vrex/job_01jgh0000000000000000000b1.***?a=b" in text


def test_every_secret_of_a_configuration_is_known(tmp_path: Path) -> None:
    mail = '\n[handlers.mail]\ntype = "email"\nsmtp_url = "smtp://a:b@c.example"\nsender = "a@b.example"\n'
    phones = '[handlers.phones]\ntype = "apprise"\nurls = ["json://a.example", "json://b.example"]\n'
    database = 'database_url = "postgresql://me:open-sesame@db.example/clips"\n'
    text = database + TOP + VREX + TEAM + mail + 'to = ["a@b.example"]\n' + phones
    assert set(secrets_of(configured(tmp_path, text))) == {
        SECRET_KEY,
        API_TOKEN,
        API_KEY,
        "https://hooks.slack.com/services/T7/B8/secret",
        "smtp://a:b@c.example",
        "json://a.example",
        "json://b.example",
        "open-sesame",
    }
