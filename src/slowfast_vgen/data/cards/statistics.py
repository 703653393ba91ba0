"""Counts of the contents of one or several data sets. No video is decoded."""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field, fields
from itertools import accumulate

from slowfast_vgen.data.cards.words import words_of
from slowfast_vgen.data.sources import EpisodeSource

DOMAINS = {
    "car-racing": "driving",
    "epic-kitchens": "human activities",
    "franka-kitchen": "human activities",
    "hdd": "driving",
    "lerobot": "robotics",
    "metaworld": "robotics",
    "miniworld": "simulation",
    "rlds": "robotics",
    "unrealcv": "simulation",
    "vizdoom": "games",
    "vizdoom-streets": "driving",
    "vpt": "games",
}
"""Prefix of an environment's or source's name -> one of the paper's five domains (3.1.2); the longest prefix counts.

An episode's own `metadata["domain"]` takes precedence."""
OTHER = "other"


@dataclass
class Statistics:
    """Counts over episodes. A clip is one action with its frames: a chunk."""

    num_bytes: int = 0
    """Bytes on disk."""
    episode_frames: list[int] = field(default_factory=list)
    episode_seconds: list[float] = field(default_factory=list)
    clip_seconds: Counter[float] = field(default_factory=Counter)
    """Length in seconds -> number of clips."""
    scenes: set[str] = field(default_factory=set)
    clips_by_domain: Counter[str] = field(default_factory=Counter)
    clips_by_verb: Counter[str] = field(default_factory=Counter)
    """Canonical verb of the tables -> number of clips; clips without one are not counted."""
    verbs: Counter[str] = field(default_factory=Counter)
    """Verbs in the action texts, by words.py."""
    nouns: Counter[str] = field(default_factory=Counter)
    phrasings: Counter[str] = field(default_factory=Counter)
    """Action text -> number of clips."""
    episodes_by_world: Counter[str] = field(default_factory=Counter)
    episodes_by_split: Counter[str] = field(default_factory=Counter)
    episodes_by_size: Counter[str] = field(default_factory=Counter)
    """Text "height x width" -> number of episodes."""
    episodes_by_fps: Counter[float] = field(default_factory=Counter)
    episodes_by_licence: Counter[str] = field(default_factory=Counter)
    episodes_by_script: Counter[str] = field(default_factory=Counter)

    @property
    def num_episodes(self) -> int:
        """Number of episodes."""
        return len(self.episode_frames)

    @property
    def num_clips(self) -> int:
        """Number of clips."""
        return self.phrasings.total()

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return sum(self.episode_frames)

    @property
    def seconds(self) -> float:
        """Total length of all videos in seconds."""
        return sum(self.episode_seconds)

    def add(self, other: "Statistics") -> None:
        """Adds another's counts."""
        for entry in fields(self):
            mine, more = getattr(self, entry.name), getattr(other, entry.name)
            setattr(self, entry.name, mine | more if isinstance(mine, set) else mine + more)


def count_episodes(source: EpisodeSource) -> Statistics:
    """Counts the contents of a data set.

    Raises:
        DefectiveDataError: a header or a table that is missing or broken.
    """
    counted = Statistics(num_bytes=source.num_bytes)
    stops = list(accumulate(dataset.num_episodes for dataset in source.headers))[:-1]
    for number in range(len(source)):
        header, chunks = source.tables(number)
        dataset, metadata = source.headers[bisect_right(stops, number)], header.metadata
        world = str(metadata.get("world", dataset.world))
        counted.episode_frames.append(header.num_frames)
        counted.episode_seconds.append(header.num_frames / header.fps)
        counted.clip_seconds.update(round(chunk.num_frames / header.fps, 3) for chunk in chunks)
        counted.scenes.add(str(metadata.get("scene", source.name(number))))
        counted.clips_by_domain[str(metadata.get("domain", domain_of(world)))] += len(chunks)
        counted.clips_by_verb.update(chunk.verb for chunk in chunks if chunk.verb)
        counted.episodes_by_world[world] += 1
        counted.episodes_by_split[dataset.split] += 1
        counted.episodes_by_size[f"{header.height}x{header.width}"] += 1
        counted.episodes_by_fps[header.fps] += 1
        counted.episodes_by_licence[str(metadata.get("licence", "not stated"))] += 1
        counted.episodes_by_script[str(metadata.get("script", "unknown"))] += 1
        counted.phrasings.update(chunk.action for chunk in chunks)
    for text, count in counted.phrasings.items():  # each text is parsed once
        words = words_of(text)
        for word in words.verbs:
            counted.verbs[word] += count
        for word in words.nouns:
            counted.nouns[word] += count
    return counted


def domain_of(world: str) -> str:
    """Returns the domain of an environment or of a source of recordings.

    >>> [domain_of(name) for name in ("vizdoom-mazes", "vizdoom-streets", "my-robot")]
    ['games', 'driving', 'other']
    """
    fitting = [name for name in DOMAINS if world == name or world.startswith(f"{name}-")]
    return DOMAINS[max(fitting, key=len)] if fitting else OTHER
