"""veo3gen.co's tables: its models with what they cost and can do, and the types of an order's fields. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from receiver.simulator.multipart import Part


@dataclass(frozen=True)
class Model:
    """A model as `GET /api/veo/models` lists it; `silent`: its credits without audio."""

    title: str
    description: str
    credits: int
    silent: int
    takes_frames: bool = False

    def shown(self, name: str) -> dict[str, Any]:
        """Describe it."""
        frames = ["first-last-frame"] if self.takes_frames else []
        capabilities = ["text-to-video", "image-to-video", *frames, "audio-generation"]
        pricing = {"creditsPerVideo": self.credits, "creditsPerVideoNoAudio": self.silent}
        shown = {"id": name, "name": self.title, "description": self.description}
        return {**shown, "capabilities": capabilities, "pricing": pricing}


MODELS: Mapping[str, Model] = {
    "veo-3.0-generate-001": Model("Veo 3.0 Quality", "High-quality video with audio", 500, 250),
    "veo-3.0-fast-generate-001": Model("Veo 3.0 Fast", "Fast video generation with audio", 190, 120),
    "veo-3.1-generate-001": Model(
        "Veo 3.1 Quality", "Latest Veo 3.1 high-quality video with first+last frame support", 500, 250, True
    ),
    "veo-3.1-fast-generate-001": Model(
        "Veo 3.1 Fast", "Latest Veo 3.1 fast video with first+last frame support", 190, 120, True
    ),
    "veo-3.1-lite-generate-001": Model("Veo 3.1 Lite", "Affordable 720p video generation — cheapest option", 65, 35),
}
DEFAULT_MODEL = "veo-3.1-fast-generate-001"
TYPES: Mapping[str, type] = {
    "sampleCount": int,
    "durationSeconds": int,
    "aspectRatio": str,
    "generateAudio": bool,
    "enhancePrompt": bool,
    "negativePrompt": str,
    "seed": int,
    "personGeneration": str,
}


def typed(name: str, part: Part) -> Any:
    """Read a form's field as the type that its JSON field has; what cannot be read stays a text, to be refused."""
    text = part.content.decode("utf-8", "replace")
    kind = TYPES.get(name, str)
    if kind is bool and text in ("true", "false"):
        return text == "true"
    reader: Callable[[str], Any] = int if kind is int else str
    try:
        return reader(text)
    except ValueError:
        return text
