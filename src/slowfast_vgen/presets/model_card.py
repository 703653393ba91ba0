"""Model cards of packed worlds, in the form that model hubs read."""

import json
from pathlib import Path
from typing import Any

from slowfast_vgen.files import atomic_path
from slowfast_vgen.memory.names import renamed
from slowfast_vgen.models.vocabulary import Vocabulary
from slowfast_vgen.models.world_model import INDEX_FILE, WORLD, read_vocabulary, seal_world

FILE = "README.md"


def model_card(folder: Path) -> str:
    """The card of a packed world, in Markdown, from its index and its actions alone.

    Raises:
        UserError: no world there, or a damaged one.
    """
    header, vocabulary = WORLD.read_header(folder), read_vocabulary(folder)
    world: dict[str, Any] = header.world
    trained = "\n".join(f"- **{name}**: {value}" for name, value in world["provenance"].items()) or "- not written down"
    sums = "\n".join(f"| `{name}` | `{sha}` |" for name, sha in sorted(WORLD.named(folder).items()) if name != FILE)
    memory = " and ".join(f"`{renamed(name)}`" for name in world["memory"]) or "none"
    return f"""\
---
license: {str(world["licence"]).lower()}
library_name: slowfast-vgen
pipeline_tag: image-to-video
tags: [world-model, video-generation, slow-fast-learning]
---

# {world["name"]}

A world model: start image and actions in words in, video out,
{world["num_new_frames"]} frames an action at {world["fps"]:g} frames a second.

```python
import slowfast_vgen

session = slowfast_vgen.load("{world["name"]}").start("start.png", memory=True)
frames = session.step({json.dumps(_example(vocabulary))})
```

## What it knows
{_actions(vocabulary)}

## What it is not
- Frames are {world["frame_width"]}x{world["frame_height"]} pixels;
  other pictures are cut to that size and dreamt into what it has seen.
- It saw the data below and nothing else: no people, no other places, no other actions.
- What it shows of places that it has not been shown is invented. Do not act upon it.

## How it was trained
{trained}

Its denoiser is `{header.denoiser[1]}`, trained for the target `{world["target"]}` and sampled in
{world["num_sampling_steps"]} steps after {world["num_past_frames"]} frames of the past; its memory: {memory}.

## How it was measured
By `slowfast evaluate`; the figures, with commits and intervals, are in the project's README and `results/`.

## Files
Version {world.get("version", 1)}, {world["licence"]}.
Every file is checked against its SHA-256 in `{INDEX_FILE}` before it is read.

| file | SHA-256 |
| --- | --- |
{sums}
"""


def _example(vocabulary: Vocabulary | None) -> str:
    return vocabulary.phrasings[0] if vocabulary is not None else "go forward"


def _actions(vocabulary: Vocabulary | None) -> str:
    if vocabulary is None:
        return "Texts of any kind; which ones it was trained on is not written down."
    if vocabulary.is_free:
        some = vocabulary.narrations[:: max(1, len(vocabulary.narrations) // 6)][:6]
        return "Free narrations, such as " + "; ".join(f'"{text}"' for text in some) + "."
    return "\n".join(f"- `{action.verb}`: {', '.join(action.phrasings)}" for action in vocabulary.actions)


def write_model_card(folder: Path) -> Path:
    """Writes the card next to the weights, and seals the world with it."""
    path = folder / FILE
    seal_world(folder)
    with atomic_path(path) as temporary:
        temporary.write_text(model_card(folder), encoding="utf-8")
    seal_world(folder)
    return path
