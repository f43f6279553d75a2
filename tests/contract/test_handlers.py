"""What `handlers/protocol.py` promises, over every handler type of the folder; it is never asked which one it got."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

import handlers
from handlers.protocol import Done, Download, GiveUp, Handler, HandlerType, Outcome, Parcel, TryLater
from receiver.net import Net
from receiver.registry import handler_types
from schemas.event import Event, EventType, Video
from schemas.vendor import Answer
from tests.support.authority import Authority, authority
from tests.support.clips import mp4
from tests.support.handler_cases import CASES, SECRET, Case, Stage
from tests.support.http_server import Reply, Seen, serving
from tests.support.mail_server import Mailbox, mail_server
from tests.support.parcels import ALERT, CLEARED, FAILED, READY, SAVED, parcel, tools

pytestmark = [
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),
]
TYPES = handler_types()
STATUSES = [200, 201, 204, 300, 301, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 408, 409, 410, 411, 413, 415]
STATUSES += [418, 421, 422, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 511, 599]
every_type = pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
http_types = pytest.mark.parametrize(
    "kind", [kind for name, kind in TYPES.items() if name in CASES and CASES[name].http], ids=lambda kind: kind.name
)


class Hurried:
    """The way out with its deadlines shortened, so that a test of silence is short."""

    def __init__(self, seconds: float, trust: ssl.SSLContext | None = None) -> None:
        self._net = Net(allow=(ip_network("127.0.0.0/8"),), stall=seconds, ssl_context=trust)
        self._seconds = seconds

    async def call(self, method: str, url: str, *, timeout: float = 15, **more: Any) -> Answer:
        return await self._net.call(method, url, timeout=min(timeout, self._seconds), **more)

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout: float, max_bytes: int
    ) -> AbstractAsyncContextManager[Download]:
        seconds = min(timeout, self._seconds)
        return self._net.stream(url, headers=headers, timeout=seconds, max_bytes=max_bytes)


@pytest.fixture(scope="module")
def mail() -> Iterator[Mailbox]:
    with mail_server(Mailbox(login=("someone", SECRET))) as box:
        yield box


@pytest.fixture
def stage(tmp_path: Path, mail: Mailbox) -> Iterator[Stage]:
    mail.login, mail.refused = ("someone", SECRET), {}
    mail.messages.clear()
    with serving(Reply(200, mp4())) as server:
        yield Stage(tmp_path, server, mail)


def case_of(kind: HandlerType) -> Case:
    assert kind.name in CASES, f"write a case for {kind.name} into tests/support/handler_cases.py"
    return CASES[kind.name]


def options_of(kind: HandlerType, stage: Stage) -> Any:
    return kind.options.model_validate(case_of(kind).options(stage))


def aimed(event: Event, stage: Stage) -> Event:
    """Point an event's videos at the stage's server."""
    return replace(event, videos=tuple(Video(f"{stage.server.url}/a.mp4") for _ in event.videos))


def deliver(
    kind: HandlerType,
    stage: Stage,
    events: Sequence[Event],
    *,
    seconds: float = 10,
    trust: ssl.SSLContext | None = None,
) -> Mapping[str, Outcome]:
    """Make a handler, give it these events for its first target, and close it."""

    async def main() -> Mapping[str, Outcome]:
        options = options_of(kind, stage)
        handler = kind.make(options, tools(stage.folder, http=Hurried(seconds, trust)))
        target = kind.targets(options)[0]
        given = [Parcel(f"dlv_{n}", aimed(e, stage), target, elapsed=75) for n, e in enumerate(events, 1)]
        try:
            return await handler.deliver(given)
        finally:
            await handler.close()

    return asyncio.run(main())


def missing(given: Sequence[Event], outcomes: Mapping[str, Outcome]) -> set[str]:
    """The keys that got no outcome, or no sound one."""
    sound = {key for key, value in outcomes.items() if isinstance(value, Done | TryLater | GiveUp)}
    return {f"dlv_{n}" for n in range(1, len(given) + 1)} - sound


def leaks(secrets: Sequence[str], *things: object) -> list[str]:
    """The secrets that can be read in these things."""
    said = " ".join(f"{thing!r} {thing!s}" for thing in things)
    return [secret for secret in secrets if secret in said]


# --- what it is --------------------------------------------------------------------------------------------


def test_every_file_of_the_folder_that_makes_a_handler_is_found() -> None:
    folder = Path(str(handlers.__file__)).parent
    assert set(TYPES) == {file.stem for file in folder.glob("*.py") if "\nHANDLER = " in file.read_text("utf-8")}


def test_every_case_belongs_to_a_handler() -> None:
    assert set(CASES) == set(TYPES)


@every_type
def test_its_example_is_accepted_and_has_targets(kind: HandlerType) -> None:
    options = kind.options.model_validate(kind.example)
    targets = kind.targets(options)
    assert targets
    assert len(set(targets)) == len(targets)
    assert all(isinstance(target, str) for target in targets)


@every_type
def test_it_is_told_of_something_and_has_sound_limits(kind: HandlerType) -> None:
    assert kind.events
    assert set(kind.events) <= set(EventType)
    assert kind.max_batch >= 1
    assert kind.concurrency >= 1
    assert 0 < kind.timeout <= 2 * 3600


@every_type
def test_a_missing_option_is_named(kind: HandlerType) -> None:
    for name, field in kind.options.model_fields.items():
        if not field.is_required():
            continue
        rest = {key: value for key, value in kind.example.items() if key != name}
        with pytest.raises(ValidationError) as caught:
            kind.options.model_validate(rest)
        assert [found["loc"] for found in caught.value.errors()] == [(name,)]


@every_type
def test_an_unknown_option_is_refused_by_name(kind: HandlerType) -> None:
    with pytest.raises(ValidationError) as caught:
        kind.options.model_validate({**kind.example, "colour": "red"})
    assert [(found["loc"], found["type"]) for found in caught.value.errors()] == [(("colour",), "extra_forbidden")]


@every_type
def test_its_options_are_frozen_and_say_what_they_are(kind: HandlerType) -> None:
    assert kind.options.model_config["frozen"]
    assert kind.options.__doc__
    assert kind.options.__doc__ != BaseModel.__doc__


# --- what it answers ---------------------------------------------------------------------------------------


@every_type
@pytest.mark.parametrize("event", [READY, FAILED, ALERT, CLEARED, SAVED], ids=lambda e: e.type.value)
def test_every_event_gets_an_outcome(kind: HandlerType, event: Event, stage: Stage) -> None:
    outcomes = deliver(kind, stage, [event])
    assert missing([event], outcomes) == set()
    assert isinstance(outcomes["dlv_1"], Done)


@every_type
def test_a_full_batch_gets_an_outcome_for_each_key(kind: HandlerType, stage: Stage) -> None:
    events = [replace(READY, id=f"evt_{n}", job_id=f"job_{n}") for n in range(kind.max_batch)]
    outcomes = deliver(kind, stage, events)
    assert missing(events, outcomes) == set()
    assert set(outcomes) == {f"dlv_{n}" for n in range(1, len(events) + 1)}
    assert {type(outcome) for outcome in outcomes.values()} == {Done}


@every_type
def test_an_event_that_says_next_to_nothing_gets_an_outcome(kind: HandlerType, stage: Stage) -> None:
    bare = Event(
        id="evt_1",
        type=EventType.COMPLETED,
        vendor=None,
        account=None,
        job_id=None,
        vendor_job_id=None,
        occurred_at=READY.occurred_at,
        received_at=READY.received_at,
        source=READY.source,
        trust=READY.trust,
    )
    for type_ in EventType:
        assert missing([bare], deliver(kind, stage, [replace(bare, type=type_)])) == set()


@every_type
def test_words_that_nobody_should_write_get_an_outcome(kind: HandlerType, stage: Stage) -> None:
    for odd in ("", "\0\ud800\u202e", "x" * 100_000, "{n!r} %s {{", "<!channel>\r\nBcc: x@y.z\r\n"):
        event = replace(READY, prompt=odd, model=odd, tags=(odd,), metadata={"k": odd}, batch=odd, vendor_job_id=odd)
        assert missing([event], deliver(kind, stage, [event])) == set()


@http_types
@pytest.mark.parametrize("status", STATUSES)
def test_every_http_status_has_its_verdict(kind: HandlerType, status: int, stage: Stage) -> None:
    stage.server.script(Reply(status, b"words"))
    outcome = deliver(kind, stage, [READY])["dlv_1"]
    assert type(outcome).__name__ == case_of(kind).verdict(status)


@http_types
@pytest.mark.parametrize(("said", "after"), [("7", 7), ("0", 1), ("-5", 1), ("1000000", 3600), ("soon", None)])
def test_a_retry_after_is_passed_on_within_bounds(
    kind: HandlerType, said: str, after: float | None, stage: Stage
) -> None:
    stage.server.script(Reply(503, b"", {"retry-after": said}))
    outcome = deliver(kind, stage, [READY])["dlv_1"]
    assert isinstance(outcome, TryLater)
    assert outcome.after == after


@http_types
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_retry_after_counts_with_every_status_that_is_for_later(kind: HandlerType, status: int, stage: Stage) -> None:
    for said, after in (("11", 11), ("Wed, 01 Jan 2025 12:02:45 GMT", 45)):
        stage.server.script(Reply(status, b"", {"retry-after": said}))
        outcome = deliver(kind, stage, [READY])["dlv_1"]
        assert isinstance(outcome, TryLater)
        assert outcome.after == after


@http_types
@pytest.mark.parametrize(
    "reply",
    [Reply(silent=True), Reply(200, b"x" * 1000, pause=0.02), Reply(200, b"x" * 100, {"content-length": "900"})],
    ids=["silent", "dripping", "cut"],
)
def test_no_whole_answer_is_for_later_and_in_time(kind: HandlerType, reply: Reply, stage: Stage) -> None:
    stage.server.script(reply)
    begin = time.monotonic()
    outcome = deliver(kind, stage, [READY], seconds=0.4)["dlv_1"]
    assert time.monotonic() - begin < 3
    assert isinstance(outcome, TryLater)


@http_types
def test_an_endless_answer_ends(kind: HandlerType, stage: Stage) -> None:
    stage.server.script(Reply(500, b"x" * 10_000, endless=True))
    assert isinstance(deliver(kind, stage, [READY])["dlv_1"], TryLater)
    stage.server.script(Reply(200, b"x" * 10_000, endless=True))
    outcome = deliver(kind, stage, [READY])["dlv_1"]
    assert type(outcome).__name__ == case_of(kind).endless
    assert len(repr(outcome)) < 2000


@http_types
def test_an_endless_head_ends(kind: HandlerType, stage: Stage) -> None:
    stage.server.script(Reply(200, b"", {f"x-{n}": "y" * 1000 for n in range(2000)}))
    assert isinstance(deliver(kind, stage, [READY])["dlv_1"], TryLater)


@http_types
def test_a_server_that_is_not_there_is_for_later(kind: HandlerType, stage: Stage) -> None:
    with serving() as other:
        gone = replace(stage, server=other)
    outcome = deliver(kind, gone, [READY])["dlv_1"]
    assert isinstance(outcome, TryLater)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


@http_types
@pytest.mark.parametrize(
    ("host", "days", "reason"),
    [("127.0.0.1", -1, "certificate has expired"), ("hooks.example.com", 1, "IP address mismatch")],
    ids=["expired", "another host's"],
)
def test_a_certificate_that_is_not_good_gets_nothing_and_is_for_later(
    kind: HandlerType, host: str, days: int, reason: str, stage: Stage, ca: Authority
) -> None:
    with serving(Reply(200, mp4()), tls=ca.server(host, until=timedelta(days=days))) as server:
        outcome = deliver(kind, replace(stage, server=server), [READY], trust=ca.trusting())["dlv_1"]
    assert isinstance(outcome, TryLater)
    assert f"its TLS certificate is not accepted ({reason}" in outcome.reason.replace("certificate verify failed: ", "")
    assert server.seen == []


@http_types
def test_a_certificate_is_good_only_from_an_authority_that_is_trusted(
    kind: HandlerType, stage: Stage, ca: Authority
) -> None:
    with serving(Reply(200, mp4()), tls=ca.server()) as server:
        secure = replace(stage, server=server)
        assert isinstance(deliver(kind, secure, [READY])["dlv_1"], TryLater)
        assert server.seen == []
        assert isinstance(deliver(kind, secure, [READY], trust=ca.trusting())["dlv_1"], Done)
        assert server.seen


@http_types
def test_a_redirect_takes_nothing_to_another_place(kind: HandlerType, stage: Stage) -> None:
    with serving() as elsewhere:
        stage.server.script(Reply(307, b"", {"location": f"{elsewhere.url}/x"}))
        deliver(kind, stage, [READY])
        assert not [seen for seen in elsewhere.seen if seen.method != "GET" or SECRET in str(seen)]


# --- what it must not say ----------------------------------------------------------------------------------


def echo(seen: Seen) -> Reply:
    """Answer with all that came, as a server under debug would."""
    return Reply(400, f"{seen.method} {seen.path} {dict(seen.headers)}".encode() + seen.body)


@every_type
@pytest.mark.parametrize("answer", [echo, lambda _: Reply(500), lambda _: Reply(silent=True)], ids=["echo", "500", "-"])
def test_no_outcome_and_no_repr_tells_a_secret(
    kind: HandlerType, answer: Callable[[Seen], Reply], stage: Stage
) -> None:
    stage.server.answer(answer)
    stage.mail.login = ("someone", "another password")
    stage.mail.refused = {"ada@example.com": f"550 {SECRET} is wrong"}
    outcomes = deliver(kind, stage, [READY, FAILED], seconds=0.4)
    options = options_of(kind, stage)
    handler = kind.make(options, tools(stage.folder))
    secrets = case_of(kind).secrets
    assert leaks(secrets, outcomes, handler, options, kind.targets(options)) == []


@every_type
def test_its_refusals_of_options_tell_no_secret(kind: HandlerType) -> None:
    wrong = {**dict.fromkeys(kind.options.model_fields, f"wrong://{SECRET}"), "colour": "red"}
    with pytest.raises(ValidationError) as caught:
        kind.options.model_validate(wrong)
    secret_fields = {name for name, field in kind.options.model_fields.items() if "SecretStr" in str(field.annotation)}
    for found in caught.value.errors(include_input=False):
        if found["loc"][0] in secret_fields:
            assert leaks([SECRET], found["msg"]) == []


@every_type
def test_what_is_secret_is_declared_so(kind: HandlerType) -> None:
    for name, value in kind.options.model_validate(kind.example):
        if name.endswith(("url", "urls", "secret", "password", "token", "key")):
            held = value if isinstance(value, tuple) else (value,)
            assert all(isinstance(one, SecretStr) for one in held), f"{name} must be a SecretStr"


# --- how often it acts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [kind for name, kind in TYPES.items() if name in CASES and CASES[name].effects], ids=lambda kind: kind.name
)
def test_the_same_key_twice_has_one_effect(kind: HandlerType, stage: Stage) -> None:
    effects = case_of(kind).effects
    assert effects is not None
    assert isinstance(deliver(kind, stage, [READY])["dlv_1"], Done)
    once = effects(stage)
    assert once
    deliver(kind, stage, [READY])
    assert effects(stage) == once
    deliver(kind, stage, [replace(READY, id="evt_other", job_id="job_other")])
    if kind.name != "email":  # a mail's id is its key's, which is the same here
        assert effects(stage) != once


@every_type
def test_it_can_be_closed_unused_and_more_than_once(kind: HandlerType, stage: Stage) -> None:
    async def main() -> None:
        handler = kind.make(options_of(kind, stage), tools(stage.folder))
        await handler.close()
        await handler.close()

    asyncio.run(main())


@every_type
def test_a_cancelled_delivery_ends_soon_and_leaves_no_final_name(kind: HandlerType, stage: Stage) -> None:
    stage.server.script(Reply(200, mp4(20), pause=0.005))

    async def main() -> float:
        options = options_of(kind, stage)
        handler = kind.make(options, tools(stage.folder))
        given = parcel(aimed(READY, stage), target=kind.targets(options)[0])
        task = asyncio.ensure_future(_await(handler, [given]))
        await asyncio.sleep(0.15)
        task.cancel()
        begin = time.monotonic()
        await asyncio.wait([task], timeout=10)
        assert task.done()
        return time.monotonic() - begin

    assert asyncio.run(main()) < 3
    assert not [path for path in (stage.folder / "clips").rglob("*.mp4") if not path.name.startswith(".")]


async def _await(handler: Handler, given: Sequence[Parcel]) -> Mapping[str, Outcome]:
    return await handler.deliver(given)


# --- controls: the checks above can fail -------------------------------------------------------------------


class Faulty:
    """A handler with two bugs: it forgets every second parcel, and says where it posts."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        return {one.key: TryLater(f"could not post to {self.url}") for one in parcels[::2]}

    async def close(self) -> None:
        return None


def test_the_suite_sees_a_forgotten_parcel_and_a_leak(stage: Stage) -> None:
    url = f"{stage.server.url}/services/{SECRET}"
    outcomes = asyncio.run(_await(Faulty(url), [parcel(key="dlv_1"), parcel(key="dlv_2")]))
    assert missing([READY, READY], outcomes) == {"dlv_2"}
    assert leaks([SECRET], outcomes) == [SECRET]
    assert leaks([SECRET], TryLater("nothing")) == []


def test_the_hurried_way_out_is_a_real_one(stage: Stage) -> None:
    async def main() -> list[bytes]:
        http = Hurried(5)
        answer = await http.call("POST", stage.server.url, content=b"x")
        async with http.stream(stage.server.url, timeout=5, max_bytes=10**6) as download:
            chunks: AsyncIterator[bytes] = download.chunks()
            return [answer.body, b"".join([chunk async for chunk in chunks])]

    assert asyncio.run(main()) == [mp4(), mp4()]
