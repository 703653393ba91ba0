"""Settings of the memories that learn by gradients or keep frames; without torch, for commands show them."""

import math
from dataclasses import dataclass
from numbers import Real
from typing import Annotated, Literal

from slowfast_vgen.errors import UserError
from slowfast_vgen.flags import Flag, Nested
from slowfast_vgen.given import whole

HIGHEST_ALPHA = 1e6
"""Far more than any training survives; float32 holds every scale up to it."""
HIGHEST_RANK = 4096
"""Highest rank of an addition: wider than most layers, whose own rank no addition can exceed."""
MOST_PASSES = 1000
"""Most passes through the denoiser in one chunk's learning."""
RULES = ("denoising", "denoising-original", "replay")
OPTIMIZERS = ("adam", "sgd")
CONTEXT_KINDS = ("raw", "anchor", "retrieval")


@dataclass(frozen=True)
class LoraConfig:
    """Layers and rank of the fast weights."""

    rank: Annotated[int, Flag("rank", low=1, high=HIGHEST_RANK)] = 32
    """Rank of a LoRA."""
    alpha: float | None = None
    """Scale of the addition, which is `alpha / rank`; default: the rank, a scale of 1."""
    layers: tuple[str, ...] = ()
    """Endings of the dotted names of the linear layers; default: the denoiser's own list (`lora_layers`)."""

    def __post_init__(self) -> None:
        if whole(self.rank, "a LoRA's rank is a whole number") < 1:
            raise UserError(f"a LoRA's rank must be at least 1, got {self.rank}")
        if self.rank > HIGHEST_RANK:
            raise UserError(f"a LoRA's rank must be at most {HIGHEST_RANK}, got {self.rank}")
        if not all(self.layers):
            raise UserError("a LoRA cannot sit on a layer without a name; leave it out")
        if self.alpha is not None and not 0 < self.alpha < math.inf:
            raise UserError(f"a LoRA's alpha must be above 0, got {self.alpha}; leave it out for a scale of 1")
        if self.alpha is not None and self.alpha > HIGHEST_ALPHA:
            raise UserError(f"a LoRA's alpha must be at most {HIGHEST_ALPHA:g}, got {self.alpha}; leave it out")

    @property
    def scale(self) -> float:
        """Scale of the product of the two factors."""
        return 1.0 if self.alpha is None else self.alpha / self.rank


@dataclass(frozen=True)
class FastLearningConfig:
    """Settings of an episode's LoRA learning. Defaults are the paper's (rank 32, Adam at 1e-4, one update a chunk)."""

    lora: Annotated[LoraConfig, Nested("lora-")] = LoraConfig()
    rule: Literal["denoising", "denoising-original", "replay"] = "denoising"
    independent_noise: bool = False
    """True for a noise level for each frame instead of one for the window."""
    replay_windows: Annotated[int, Flag(low=1)] = 64
    """Windows that `replay` keeps to draw from: a uniform sample of the episode's windows, of constant size."""
    learning_rate: Annotated[float, Flag(metavar="RATE")] = 1e-4
    """Learning rate of a LoRA."""
    updates_per_chunk: Annotated[int, Flag(low=1, high=MOST_PASSES)] = 1
    """Updates of a LoRA after each chunk."""
    noise_draws: Annotated[int, Flag(low=1, high=MOST_PASSES)] = 1
    """Number of noise draws averaged in each update."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """Optimiser of a LoRA."""
    guard_ratio: float = 1.5
    """The memory counts as diverging where, with it, the window that it has just learned is this many times harder to
    denoise than without any memory. It is then rolled back to what it was before the chunk."""

    rewind_chunks: int = 2
    """Most chunks that the memory can be rewound by; each costs a copy of its weights and moments, on disk as well."""

    def __post_init__(self) -> None:
        for name in ("replay_windows", "updates_per_chunk", "noise_draws", "rewind_chunks"):
            whole(getattr(self, name), f"{name} of fast learning is a whole number")
        for name in ("learning_rate", "guard_ratio"):
            if not isinstance(value := getattr(self, name), Real) or isinstance(value, bool):
                raise UserError(f"{name} of fast learning is a number, got {value!r}")
        if self.rule not in RULES:
            raise UserError(f"unknown rule of fast learning {self.rule!r}; choose one of {', '.join(RULES)}")
        if self.replay_windows < 1 or self.rewind_chunks < 0:
            raise UserError(
                "replay needs at least one window, and a memory cannot be rewound by less than no chunk, got "
                f"{self.replay_windows} and {self.rewind_chunks}"
            )
        if self.optimizer not in OPTIMIZERS:
            raise UserError(f"unknown optimiser {self.optimizer!r} for fast learning; choose adam or sgd")
        if min(self.updates_per_chunk, self.noise_draws) < 1 or self.updates_per_chunk * self.noise_draws > MOST_PASSES:
            raise UserError(
                f"fast learning takes 1 to {MOST_PASSES} updates times noise draws a chunk, got "
                f"{self.updates_per_chunk} and {self.noise_draws}"
            )
        if not 0 < self.learning_rate < math.inf:
            raise UserError(f"fast learning needs a finite learning rate above 0, got {self.learning_rate}")
        if not self.guard_ratio > 1:
            raise UserError(f"the guard's ratio must be above 1, got {self.guard_ratio}")


@dataclass(frozen=True)
class ContextConfig:
    """The frames that are kept in view."""

    kind: Literal["raw", "anchor", "retrieval"] = "raw"
    num_frames: int = 28
    """Number of frames next to the window of the last frames. `anchor` has one; `retrieval` one for each new frame."""

    def __post_init__(self) -> None:
        if self.kind not in CONTEXT_KINDS:
            raise UserError(f"unknown kind of context {self.kind!r}; choose one of {', '.join(CONTEXT_KINDS)}")
        if self.num_frames < 1:
            raise UserError(f"a context holds at least 1 frame, got {self.num_frames}")
