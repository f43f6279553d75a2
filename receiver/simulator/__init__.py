"""The vendors, as they behave, on a real socket, with faults on demand: for the demo, the tests and those who build."""

from receiver.simulator.app import build
from receiver.simulator.remote import Remote
from receiver.simulator.run import RunningSimulator, base_urls, serve
from receiver.simulator.settings import SimulatorSettings

__all__ = ["Remote", "RunningSimulator", "SimulatorSettings", "base_urls", "build", "serve"]
