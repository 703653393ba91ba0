"""Scores of tours that come back: against the true frames, and against the session's own first visit."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8

from slowfast_bench.cache import Block, Progress
from slowfast_bench.generate import generate_tours
from slowfast_bench.paths.episodes import Tour, play_tours
from slowfast_bench.paths.tours import held_out_tours
from slowfast_bench.scores.following import row_seeds
from slowfast_bench.variants import Arm
from slowfast_envs.actions import FRAMES_PER_CHUNK
from slowfast_envs.vizdoom.engine import Play
from slowfast_vgen.metrics.features import ImageFeatures
from slowfast_vgen.metrics.frames import feature_similarity, gaps, motion, pad_with_nan, psnr, revisits, scene_cuts
from slowfast_vgen.models.codec import Codec
from slowfast_vgen.types import Frames

WINDOW_FRAMES = 8
"""A pose that was last in view so many frames ago may still be in the window."""
SHEET_COLUMNS, SHEET_TOURS = 16, 3

PerFrame = Float[np.ndarray, "tours frames"]


@dataclass(frozen=True)
class Seen:
    """Tours whose first part was shown: a value a generated frame, NaN where a tour is shorter."""

    psnr: PerFrame
    gap: PerFrame
    sheet: UInt8[np.ndarray, "shown columns height width 3"]


@dataclass(frozen=True)
class Own:
    """Tours generated whole: a value a revisited frame, or a tour."""

    history_psnr: PerFrame
    similarity: PerFrame
    """Cosine of image features times 100, for the last frame of each chunk."""
    scene_cuts: Float[np.ndarray, " tours"]
    motion: Float[np.ndarray, " tours"]


class TourScores:
    """The tours of `recall_tours`, `num_maps` of each set; read and played when first asked for."""

    def __init__(self, num_maps: int) -> None:
        self.num_maps = num_maps
        self._drawn: dict[str, list[Tour]] = {}
        self._played: dict[str, list[Play]] = {}

    def tours(self, name: str) -> list[Tour]:
        """The tours of a set."""
        if name not in self._drawn:
            self._drawn[name] = held_out_tours(name, self.num_maps)
        return self._drawn[name]

    def plays(self, name: str) -> list[Play]:
        """Their true frames and poses."""
        if name not in self._played:
            self._played[name] = play_tours(self.tours(name))
        return self._played[name]

    def _pairs(self, name: str, min_gap: int = 0) -> list[list[tuple[int, int]]]:
        pairs = zip(self.tours(name), self.plays(name), strict=True)
        return [revisits(play.poses, 1 + FRAMES_PER_CHUNK * tour.num_out, min_gap) for tour, play in pairs]

    def seen(self, name: str, arm: Arm, seed: int) -> Seen:
        """The first part shown, the rest generated."""
        made = self._generate(name, arm, seed, observe=True)
        return self.score(name, made)

    def reference(self, name: str, codec: Codec, reference: Literal["frozen", "ceiling", "true"]) -> Seen:
        """What needs no denoiser: the last frame shown, or the true ones, with the codec's round trip or without."""
        made = []
        for tour, play in zip(self.tours(name), self.plays(name), strict=True):
            frames = play.frames.copy()
            begin = 1 + FRAMES_PER_CHUNK * tour.num_out
            if reference == "frozen":
                frames[begin:] = frames[begin - 1]
            elif reference == "ceiling":
                device = codec.latent_mean.device
                frames[begin:] = codec.decode(codec.encode(torch.from_numpy(frames[begin:]).to(device))).cpu().numpy()
            made.append(frames)
        return self.score(name, made)

    def score(self, name: str, made: Sequence[Frames]) -> Seen:
        """Scores of frames, however they were made."""
        psnrs: list[np.ndarray] = []
        ago: list[np.ndarray] = []
        sheet: list[np.ndarray] = []
        for frames, play, pairs in zip(made, self.plays(name), self._pairs(name), strict=True):
            later = [pair[0] for pair in pairs]
            psnrs.append(psnr(frames[later], play.frames[later]))
            ago.append(np.array(gaps(play.poses), np.float64)[later])
            if len(sheet) < SHEET_TOURS:
                shown = np.linspace(0, len(later) - 1, SHEET_COLUMNS).round().astype(int)
                sheet.append(frames[np.array(later)[shown]])
        longest = max(len(row) for row in psnrs)
        return Seen(pad_with_nan(psnrs, longest), pad_with_nan(ago, longest), np.stack(sheet))

    def own(self, name: str, arm: Arm, seed: int) -> Own:
        """All generated from the start image."""
        config = arm.world.model.config
        made = self._generate(name, arm, seed, observe=False)
        history, similar = [], []
        for frames, pairs in zip(made, self._pairs(name, WINDOW_FRAMES), strict=True):
            later, earlier = ([pair[side] for pair in pairs] for side in (0, 1))
            history.append(psnr(frames[later], frames[earlier]))
            ends = [pair for pair in pairs if pair[0] % FRAMES_PER_CHUNK == 0]
            found = self._features(np.concatenate([frames[[pair[side] for pair in ends]] for side in (0, 1)]))
            similar.append(feature_similarity(found[: len(ends)], found[len(ends) :]))
        return Own(
            pad_with_nan(history, max(len(row) for row in history)),
            pad_with_nan(similar, max(len(row) for row in similar)),
            np.array([float(scene_cuts(frames, config.fps)) for frames in made]),
            np.array([motion(frames) for frames in made]),
        )

    def block(self, block: str, name: str, arm: Arm, seed: int, work: int, own: bool = False) -> Block[Any]:
        """What is kept of a set as an arm plays it: `seen`, or `own` where all is generated."""

        def compute(progress: Progress) -> Seen | Own:
            progress(work)
            return self.own(name, arm, seed) if own else self.seen(name, arm, seed)

        return Block(block, Own if own else Seen, work, compute)

    def _generate(self, name: str, arm: Arm, seed: int, observe: bool) -> list[Frames]:
        tours = self.tours(name)
        return generate_tours(arm, tours, self.plays(name), row_seeds(seed, 0, len(tours)), observe, lambda _: None)

    @cached_property
    def _features(self) -> ImageFeatures:
        return ImageFeatures.load()


def joined(parts: dict[str, list[Seen]] | dict[str, list[Own]], field: str) -> np.ndarray:
    """`[maps, seeds, all frames of all tours]` of one field of some sets of tours, each with its seeds."""
    stacked = [np.stack([getattr(one, field) for one in seeds], 1) for seeds in parts.values()]
    return np.concatenate([each.reshape(*each.shape[:2], -1) for each in stacked], -1)
