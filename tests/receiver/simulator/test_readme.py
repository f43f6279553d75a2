"""The README's curl commands are run as they stand, and its tables are complete."""

import re
import shlex
from pathlib import Path

import httpx
import pytest

import receiver.simulator
from receiver.simulator import RunningSimulator, SimulatorSettings
from receiver.simulator.faults import KINDS
from receiver.simulator.garbage import STYLES

README = (Path(receiver.simulator.__file__).parent / "README.md").read_text()
COMMENT = re.compile(r"^(?P<command>curl .*?)   # (?P<status>\d{3})(?P<keeps>, JOB)?$")


def commands() -> list[re.Match[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    found = [COMMENT.match(line) for line in lines]
    assert None not in found, "each line of a sh block is one curl command with its status behind it"
    return [match for match in found if match]


def run(command: str, client: httpx.Client) -> httpx.Response:
    words = iter(shlex.split(command)[1:])
    method, url, headers, body = "GET", "", dict[str, str](), None
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(words)
        else:
            url = word
    return client.request(method, url, headers=headers, content=body)


def test_every_curl_command_does_what_stands_behind_it(sim: RunningSimulator) -> None:
    job = ""
    with httpx.Client(trust_env=False, verify=False) as client:
        for found in commands():
            command = found["command"].replace("$SIM", sim.url).replace("$JOB", job)
            answer = run(command, client)
            assert answer.status_code == int(found["status"]), (command, answer.text)
            job = answer.json()["id"] if found["keeps"] else job
    assert len(commands()) > 15


def test_the_readme_names_every_fault_every_style_every_setting_and_every_vendor(sim: RunningSimulator) -> None:
    words = set(re.findall(r"[\w.]+", README))
    missing = [kind for kind in KINDS if not kind.startswith("look.") and kind not in words]
    missing += [style for style in STYLES if style not in words]
    missing += [name for name in SimulatorSettings.__dataclass_fields__ if name not in words]
    missing += [name for name in sim.base_urls if name not in words]
    assert missing == []


def test_the_readme_names_every_control_route() -> None:
    routes = set(re.findall(r"(/control[\w/{}]*)", README))
    from receiver.simulator.control import Control
    from receiver.simulator.lines import Lines
    from receiver.simulator.world import World

    world = World(SimulatorSettings(), Lines(), ())
    served = {re.sub(r"{\w+}", "{id}", route.path) for route in Control(world).routes()}
    assert served - routes == set()


@pytest.mark.parametrize("vendor", ["vrex", "ulazai", "artnex", "veo3gen", "aivideoapi"])
def test_the_readmes_base_urls_are_the_true_ones(sim: RunningSimulator, vendor: str) -> None:
    path = sim.base_urls[vendor].removeprefix(sim.url)
    assert f"| {vendor} | `$SIM{path}` |" in README
