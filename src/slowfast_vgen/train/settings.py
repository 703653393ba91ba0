"""All settings of all trainings, with the defaults that the shipped weights were trained with (docs/training.md).

Fields and the docstrings under them are the flags of `slowfast train` and their help, and the keys of its `--config`
(`cli.settings`). Nothing here imports torch, so that help is instant.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from slowfast_vgen.data.settings import WindowLengths
from slowfast_vgen.diffusion.settings import NoiseConfig
from slowfast_vgen.errors import UserError
from slowfast_vgen.flags import NO_FLAG, Flag, Nested
from slowfast_vgen.memory.settings import ContextConfig, FastLearningConfig, LoraConfig
from slowfast_vgen.models.settings import CodecConfig, Target, check_target
from slowfast_vgen.precision import check_precision

Chunks = Annotated[int, Flag("chunks", low=1, high=4096, default="{}, or as many as the data has")]
ShareOf1 = Annotated[float, Flag(low=0, high=1, metavar="SHARE")]


class Share(float):
    """A share that is written in percent.

    >>> str(Share(0.1))
    '10%'
    """

    def __str__(self) -> str:
        return f"{100 * self:g}%"


def path_or_share(text: str) -> Path | Share:
    """A folder, or a share such as `10%`.

    Raises:
        UserError: a share that cannot be held out.
    """
    if not (match := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)%", text.strip())):
        return Path(text)
    if not 0 < (percent := float(match[1])) <= 90:
        raise UserError(f"{text[:40]!r} of the episodes cannot be held out; use 1% to 90%")
    return Share(percent / 100)


@dataclass(frozen=True, kw_only=True)
class TrainingFiles:
    """What a training reads and writes."""

    data: Annotated[tuple[Path, ...], Flag(metavar="DIR")]
    """Data sets, or shards, to learn from; of several, windows are drawn equally often, however large they are."""
    validation: tuple[Annotated[Path | Share, Flag(metavar="DIR|SHARE%", read=path_or_share)], ...] = (Share(0.1),)
    """The same of other scenes; or the share of the episodes of --data that is held out."""
    max_bad_share: ShareOf1 = 0.0
    """Leave out episodes that cannot be read, at most this share of them."""
    out: Path
    """Folder of the run."""


@dataclass(frozen=True, kw_only=True)
class LatentFiles(TrainingFiles):
    """The same of a training on latents."""

    codec: Path
    """A folder that `train codec` wrote."""
    cache: Annotated[Path | None, Flag(metavar="DIR|none", default=".cache in each data set")] = None
    """Where encoded episodes are kept; none keeps them in memory."""


@dataclass(frozen=True)
class OptimisationConfig:
    """How any of our trainings moves its weights."""

    num_steps: Annotated[int, Flag("steps", low=1)]
    """Steps of the whole training."""
    learning_rate: float = 1e-3
    """The learning rate between its rise and its fall."""
    warmup_steps: Annotated[int, Flag(low=0)] = 100
    """Steps over which the learning rate rises."""
    decay_share: ShareOf1 = 0.4
    """Share of the steps, at the end, over which the learning rate falls linearly to zero."""
    weight_decay: Annotated[float, Flag(low=0, high=1)] = 0.01
    """Weight decay of AdamW."""
    ema_decay: ShareOf1 = 0.998
    """How slowly the averaged weights, which a training writes, follow."""
    clip_norm: Annotated[float, Flag(low=1e-6, high=1e6)] = 1.0
    """Longer gradients are cut to this norm."""
    seed: Annotated[int, Flag(low=0)] = 0
    """All that is random comes from it."""
    validate_every: Annotated[int, Flag(low=1, metavar="STEPS")] = 250
    """Steps between two validations."""
    checkpoint_minutes: Annotated[float, Flag(low=0, high=1e6)] = 5.0
    """Minutes between two checkpoints."""
    precision: Annotated[str, Flag(added=False)] = "float32"
    """What matrix products and convolutions of a training step are computed in; weights, optimiser and validation stay
    in float32."""
    tracker: Annotated[str | None, Flag(metavar="NAME", default="none")] = None
    """Log to this tracker, too: one that accelerate knows, such as tensorboard, wandb or trackio."""

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise UserError(f"a training needs at least 1 step, got {self.num_steps}")
        if not 0 < self.learning_rate < 1:
            raise UserError(f"the learning rate must lie between 0 and 1, got {self.learning_rate}")
        check_precision(self.precision)

    def learning_rate_at(self, step: int) -> float:
        """Warm-up, plateau, linear decay to zero.

        >>> config = OptimisationConfig(num_steps=1000, learning_rate=0.1, warmup_steps=10, decay_share=0.5)
        >>> [round(config.learning_rate_at(step), 3) for step in (0, 9, 400, 750, 1000)]
        [0.01, 0.1, 0.1, 0.05, 0.0]
        """
        decay_start = self.num_steps * (1 - self.decay_share)
        remaining = (self.num_steps - step) / max(1.0, self.num_steps - decay_start)
        return self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup_steps), max(0.0, remaining))


@dataclass(frozen=True)
class CodecTrainingConfig:
    """Settings of `slowfast train codec`."""

    optimisation: OptimisationConfig = OptimisationConfig(6000)
    codec: CodecConfig = CodecConfig()
    batch_size: Annotated[int, Flag(low=1)] = 16
    """Frames a step."""
    latent_noise: Annotated[float, Flag(low=0, high=10)] = 0.1
    """Deviation of the noise on raw latents while training. The decoder's soft clamp at +-3 bounds them, so noise makes
    a smooth latent space without a KL term, and a decoder that forgives a denoiser's small errors."""
    edge_weight: Annotated[float, Flag(low=0, high=1000)] = 1.0
    """Weight of the L1 distance between horizontal and vertical differences: edges stay sharp."""


@dataclass(frozen=True)
class CodecStart:
    """Where `slowfast train codec` starts."""

    init: Path | None = None
    """Start from the weights of this codec folder; recommended for a camera that never moves."""


@dataclass(frozen=True)
class SlowTrainingConfig(NoiseConfig):
    """Settings of `slowfast train slow`."""

    optimisation: OptimisationConfig = OptimisationConfig(10_000)
    batch_size: Annotated[int, Flag(low=1)] = 16
    """Windows a step."""
    noise_draws: Annotated[int, Flag(low=1, high=64)] = 2
    """Noise draws of each window; a denoiser that caches its past runs the past once for all of them."""
    lengths: Annotated[WindowLengths, NO_FLAG] = WindowLengths()
    """How many past and new frames windows have; validated is on those that are drawn most often."""
    unmasked_share: ShareOf1 = 0.12
    """Share of the steps on eq. 3's own inputs (all frames noised, no action): fast learning then meets nothing new."""
    last_frame_weight: Annotated[float, Flag(low=0.01, high=100, metavar="WEIGHT")] = 1.0
    """How much a chunk's last frame counts, each other one counting 1, as in `diffusion.objective.window_losses`. Where
    a chunk is a whole move, its last frame shows the result, and those before mostly where the arm was on its way."""
    target: Annotated[Target, Flag(default="{}, or that of --init")] = "flow"
    """What the denoiser learns to predict (docs/conventions.md)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_target(self.target)
        if not 0 <= self.unmasked_share <= 1:
            raise UserError(f"unmasked_share must lie between 0 and 1, got {self.unmasked_share}")
        if self.batch_size < 1 or self.noise_draws < 1:
            raise UserError(f"batch_size and noise_draws must be at least 1, got {self.batch_size}, {self.noise_draws}")


@dataclass(frozen=True)
class SlowStart:
    """Which denoiser `slowfast train slow` starts from."""

    init: Path | None = None
    """Start from the weights of this denoiser folder."""
    denoiser: Annotated[Literal["transformer", "unet3d", "wan"], Flag(default="{}, or that of --init")] = "transformer"
    """Kind of a new denoiser."""
    width: Annotated[int, Flag(low=32, high=4096)] = 256
    """Of a new transformer."""
    depth: Annotated[int, Flag(low=1, high=64)] = 6
    """Of a new transformer."""
    memory: bool = False
    """Make room for what a ridge memory recalls, which `train loop` then uses."""
    memory_width: Annotated[int, Flag(low=0, high=1024)] = 64
    """Features that such a memory keeps of each patch."""


@dataclass(frozen=True)
class ChainConfig:
    """How long the chains of a training are."""

    num_chunks: Chunks = 24
    """Consecutive chunks of each chain."""


@dataclass(frozen=True)
class PathChainConfig(ChainConfig):
    """How long those of `slowfast train path` are."""

    num_chunks: Chunks = 16


@dataclass(frozen=True)
class PathTrainingConfig:
    """Settings of `slowfast train path`."""

    optimisation: OptimisationConfig = OptimisationConfig(5000, learning_rate=3e-3)
    batch_size: Annotated[int, Flag(low=1)] = 8
    """Chains a step."""
    latent_noise: Annotated[float, Flag(low=0, high=10)] = 0.025
    """Deviation of the noise on latents: generated frames of one place are never quite the same."""


@dataclass(frozen=True)
class AddressConfig:
    """The addresses that `slowfast train path` makes."""

    key_width: Annotated[int, Flag(low=2, high=65536)] = 768
    """Width of the memory's keys."""
    fov: Annotated[float | None, Flag(low=1, high=179, metavar="DEGREES", default="89.7")] = None
    """The camera's field of view across a frame, where the data does not state it."""
    retrace: bool = False
    """Learn as well which texts ask for the way back; --data must have some."""


@dataclass(frozen=True)
class StillAddressConfig:
    """The addresses that `slowfast train still-path` makes."""

    out: Path
    """Folder of the run."""
    key_width: Annotated[int, Flag(low=2, high=65536)] = 64
    """Width of the memory's keys."""


@dataclass(frozen=True)
class LoopConfig:
    """Settings of `slowfast train loop`; `slow` has what concerns single windows."""

    slow: Annotated[SlowTrainingConfig, Nested(without=("batch_size", "target"))] = SlowTrainingConfig(
        OptimisationConfig(2800, learning_rate=4e-4)
    )
    num_chains: Annotated[int, Flag("batch-size", low=1)] = 4
    """Episodes side by side in a step."""
    num_chunks: Chunks = 24
    """Chunks of each that are unrolled."""
    plain_share: ShareOf1 = 0.15
    """Share of the steps on single windows without memory, of all lengths, as in slow learning."""

    def __post_init__(self) -> None:
        if self.num_chains < 1 or self.num_chunks < 1:
            raise UserError(f"the loop needs at least 1 chain of 1 chunk, got {self.num_chains} of {self.num_chunks}")
        if not 0 <= self.plain_share <= 1:
            raise UserError(f"plain_share must lie between 0 and 1, got {self.plain_share}")


@dataclass(frozen=True, kw_only=True)
class LoopStart:
    """What `slowfast train loop` starts from, and by which rule its memories are written."""

    init: Path
    """The denoiser folder to start from."""
    rule: Literal["ridge", "denoising", "denoising-original", "replay"] = "ridge"
    """How memories are written."""
    address: Path | None = None
    """Folder of `train path` or `still-path`, for the ridge rule."""
    memory_width: Annotated[int, Flag(low=0, high=1024)] = 64
    """Features of the ridge rule's memory."""


@dataclass(frozen=True)
class RidgeLoopConfig:
    """How far gradients go back through the memory of the ridge rule."""

    ridge: Annotated[float, Flag(low=1e-9, high=1e9)] = 0.05
    """Of the ridge rule, as in `memory.ridge.RidgeConfig`."""
    familiar: Annotated[float, Flag(low=0, high=1, metavar="NOVELTY")] = 0.0
    """Of the ridge rule: below this, places count as known and are written less; 0 counts every frame alike. Where one
    place is seen again and again, such as by a camera that never moves, training without it shows the model averages
    that it will never meet."""
    write_gradient_chunks: Annotated[int | None, Flag("write-gradients", metavar="K", high=4096, low=0)] = None
    """Of the ridge rule: number of the latest writes that gradients flow through, 0 being the paper's first order
    (`Theta_i` fixed); default: all."""
    segment_chunks: Annotated[int | None, Flag("segment", metavar="CHUNKS", low=1)] = None
    """Of the ridge rule: chunks that are differentiated at a time; default: all of an unroll. This is truncated
    back-propagation for long unrolls: what was written before the segment is computed without gradients, piece by
    piece."""

    def __post_init__(self) -> None:
        if not 0 <= self.familiar <= 1:
            raise UserError(f"the novelty below which a place is known must lie in [0, 1], got {self.familiar}")
        if self.segment_chunks is not None and self.segment_chunks < 1:
            raise UserError(f"a segment of the loop has at least 1 chunk, got {self.segment_chunks}")


@dataclass(frozen=True)
class LoraLoopConfig:
    """How the triples `{X_i, X_(i+1), Theta_i}` get from the inner loop to the outer one."""

    learning: Annotated[FastLearningConfig, Nested("fast-", without=("rule", "rewind_chunks"))] = FastLearningConfig(
        LoraConfig(rank=8), rewind_chunks=0
    )
    triples: Literal["on-the-fly", "shards"] = "on-the-fly"
    """How a LoRA reaches the outer loop. `on-the-fly` predicts each chunk while the inner loop is there; `shards`
    writes all of a step's triples to disk first. Both give the same gradient."""

    def __post_init__(self) -> None:
        if self.triples not in ("on-the-fly", "shards"):
            raise UserError(f"unknown way of keeping triples {self.triples!r}; choose on-the-fly or shards")


Kinds = tuple[tuple[float, ContextConfig], ...]
KINDS: Kinds = (
    (0.10, ContextConfig("raw", 4)),
    (0.15, ContextConfig("raw", 12)),
    (0.30, ContextConfig("raw", 28)),
    (0.15, ContextConfig("anchor", 1)),
    (0.30, ContextConfig("retrieval", 4)),
)
"""How often each is drawn. With the window of 4, the raw ones are contexts of 2, 4 and 8 chunks."""


def kind_name(kind: ContextConfig) -> str:
    """Such as `raw_28`: in logs, and for `chosen_kinds`."""
    return f"{kind.kind}_{kind.num_frames}"


def chosen_kinds(names: Sequence[str]) -> Kinds:
    """Some of `KINDS`, as often as one another as there.

    Raises:
        UserError: no such kind.

    >>> [kind.num_frames for _, kind in chosen_kinds(["anchor_1", "raw_28"])]
    [28, 1]
    """
    known = [kind_name(kind) for _, kind in KINDS]
    if unknown := sorted(set(names) - set(known)):
        raise UserError(f"unknown kind of context {unknown[0]!r:.80}; choose some of {', '.join(known)}")
    return tuple(each for each in KINDS if kind_name(each[1]) in names)


@dataclass(frozen=True)
class ContextTrainingConfig:
    """Settings of `slowfast train context`; `slow` has what concerns windows."""

    slow: Annotated[SlowTrainingConfig, Nested(without=("unmasked_share", "target"))] = SlowTrainingConfig(
        OptimisationConfig(4000, learning_rate=4e-4), batch_size=8
    )
    kinds: Annotated[Kinds, NO_FLAG] = KINDS

    def __post_init__(self) -> None:
        if not self.kinds or min(share for share, _ in self.kinds) <= 0:
            raise UserError("a training with context needs at least one kind, each with a share above 0")

    @property
    def longest(self) -> int:
        """Frames of the longest context."""
        return max(kind.num_frames for _, kind in self.kinds)


@dataclass(frozen=True, kw_only=True)
class ContextStart:
    """What `slowfast train context` starts from, and for which contexts it trains."""

    init: Path
    """The denoiser folder to start from."""
    kinds: Annotated[str, Flag(metavar="NAMES", default="all")] = ""
    """Kinds of context, with commas between: raw_4, raw_12, raw_28, anchor_1, retrieval_4."""

    @property
    def chosen(self) -> Kinds:
        """The kinds that are named."""
        names = [name.strip() for name in self.kinds.split(",") if name.strip()]
        return chosen_kinds(names) if names else KINDS


@dataclass(frozen=True)
class InverseDynamicsTrainingConfig:
    """Settings of `slowfast train inverse-dynamics`.

    What an imagined frame looks like is imitated by blur, noise, shifted colours and, where a codec is given, its round
    trip with noise on the latents. Each frame of a pair is worn on its own: the first of a chunk to be read is true.
    """

    optimisation: OptimisationConfig = OptimisationConfig(1500, learning_rate=2e-3)
    batch_size: Annotated[int, Flag(low=1)] = 64
    """Pairs a step."""
    clean_share: ShareOf1 = 0.25
    """Share of the pairs that are left as they are, since true frames of a camera at rest are equal to the pixel, and
    there any change is a motion."""
    blurred_share: ShareOf1 = 0.5
    """Share of the frames that are blurred."""
    coded_share: ShareOf1 = 0.25
    """Share of the pairs that take the codec's round trip; half of them have both frames coded, half the later one
    alone."""
    latent_noise: Annotated[float, Flag(low=0, high=10)] = 0.3
    """Largest deviation of the noise on normalised latents."""
    pixel_noise: Annotated[float, Flag(low=0, high=2)] = 0.05
    """Largest deviation of the noise on pixels in [-1, 1]."""
    colour_shift: ShareOf1 = 0.15
    """Largest change of contrast, of brightness and of each channel; a third of it for each frame on its own."""
    label_smoothing: ShareOf1 = 0.02
    """Smoothing of the labels: a reader that is never quite certain of a pair can be outvoted by the others of its
    chunk."""

    def __post_init__(self) -> None:
        shares = (self.clean_share, self.blurred_share, self.coded_share, self.label_smoothing, self.colour_shift)
        if self.batch_size < 1 or not all(0 <= share <= 1 for share in shares):
            raise UserError(
                f"the batch must hold at least 1 pair and shares lie between 0 and 1, got {self.batch_size} and "
                f"{', '.join(f'{share:g}' for share in shares)}"
            )


@dataclass(frozen=True)
class ReaderConfig:
    """What `slowfast train inverse-dynamics` learns to read, and from what."""

    codec: Path | None = None
    """Learn to read frames after the round trip of this codec folder as well."""
    reads: Literal["verbs", "moves"] = "verbs"
    """Verbs, frame by frame, or whole moves: which thing was carried to which spot."""
    episodes: Annotated[int, Flag(low=1)] = 400
    """Most episodes of the data to learn from."""
