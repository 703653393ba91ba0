"""What the commands of `slowfast train` share: options, how they start, and the data that they read."""

import argparse
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from slowfast_vgen.cli.common import number, path_name, whole_number
from slowfast_vgen.cli.computing import add_compute_arguments, start_computing
from slowfast_vgen.errors import UserError

if TYPE_CHECKING:
    import torch

    from slowfast_vgen.data.chains import ChainSampler
    from slowfast_vgen.data.latents import LatentSet
    from slowfast_vgen.data.motion import Motion
    from slowfast_vgen.data.sources import EpisodeSource
    from slowfast_vgen.data.windows import WindowLengths
    from slowfast_vgen.models.addressing.address import PlanarAddress
    from slowfast_vgen.models.codec import Codec
    from slowfast_vgen.models.text import TextEncoder
    from slowfast_vgen.models.training_record import TrainingRecord
    from slowfast_vgen.train.run import OptimisationConfig
    from slowfast_vgen.types import Episode

NO_CACHE = Path("none")
CODEC_EPISODES = 2000
"""Of each data set that a codec is trained on, at most: of 129 frames of 64x64, every fifth takes 640 MB of memory."""
HELD_OUT_SHARE = 0.1
"""Of the episodes, where no data to validate on is given."""
FEWEST_CHUNKS = 2
"""Of a chain: what is written in the first can be read in the second."""


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_training(
    commands: Commands,
    name: str,
    told: str,
    handler: Callable[[argparse.Namespace], int],
    num_steps: int,
    batch_size: int,
    learning_rate: float,
    cached: bool = False,
) -> argparse.ArgumentParser:
    """Adds a command with what every training has, and with what those on latents have where it is `cached`."""
    parser = commands.add_parser(name, help=told)
    told = "data sets, or shards, to learn from; of several, windows are drawn equally often, however large they are"
    parser.add_argument("--data", required=True, nargs="+", type=path_name, metavar="DIR", help=told)
    told = "the same of other scenes; or the share of the episodes of --data that is held out; default: 10%%"
    parser.add_argument(
        "--validation", nargs="+", type=_validation, default=[HELD_OUT_SHARE], metavar="DIR|SHARE%", help=told
    )
    told = "leave out episodes that cannot be read, at most this share of them; default: 0"
    parser.add_argument("--max-bad-share", type=number(0, 1), default=0.0, metavar="SHARE", help=told)
    parser.add_argument("--out", required=True, type=path_name, metavar="DIR", help="folder of the run")
    parser.add_argument("--steps", type=whole_number(1), default=num_steps, help=f"default: {num_steps}")
    parser.add_argument("--batch-size", type=whole_number(1), default=batch_size, help=f"default: {batch_size}")
    parser.add_argument("--learning-rate", type=float, default=learning_rate, help=f"default: {learning_rate}")
    parser.add_argument("--seed", type=whole_number(0), default=0, help="default: 0")
    parser.add_argument("--validate-every", type=whole_number(1), default=250, metavar="STEPS", help="default: 250")
    add_compute_arguments(parser)
    if cached:
        told = "a folder that `train codec` wrote"
        parser.add_argument("--codec", required=True, type=path_name, metavar="DIR", help=told)
        told = "where encoded episodes are kept; none keeps them in memory; default: .cache in each data set"
        parser.add_argument("--cache", type=path_name, metavar="DIR|none", help=told)
    parser.set_defaults(handler=handler)
    return parser


def add_chunks_argument(parser: argparse.ArgumentParser, most: int) -> None:
    """Adds how long chains are, to be read by `load_chains`."""
    told = f"of each chain of consecutive chunks; default: {most}, or as many as the data has"
    parser.add_argument("--chunks", type=whole_number(1, 4096), metavar="N", help=told)


def _validation(text: str) -> Path | float:
    """An argparse type: a folder, or a share such as `10%`."""
    if not (match := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)%", text.strip())):
        return path_name(text)
    if not 0 < (percent := float(match[1])) <= 90:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} of the episodes cannot be held out; use 1% to 90%")
    return percent / 100


def start_training(args: argparse.Namespace) -> "torch.device":
    """Settles where and how a training computes: one that goes on, as it did before (see `start_computing`).

    Raises:
        UserError: a device that is not there, or a damaged checkpoint.
    """
    from slowfast_vgen.train.checkpoint import is_checkpoint, read_header

    checkpoint, stored = args.out / "checkpoint", {}
    if is_checkpoint(checkpoint):
        header = read_header(checkpoint)
        stored = {"precision": header.config["optimisation"].get("precision"), "threads": header.threads}
    return start_computing(args, stored=stored)


def start_on_texts(args: argparse.Namespace) -> "tuple[torch.device, TextEncoder]":
    """The same for a training on action texts; chance is seeded for the weights that are drawn next."""
    import torch

    from slowfast_vgen.models.text import TextEncoder

    device = start_training(args)
    text_encoder = TextEncoder.load(device)
    torch.manual_seed(args.seed)
    return device, text_encoder


def optimisation(args: argparse.Namespace) -> "OptimisationConfig":
    """What all trainings have in common."""
    from slowfast_vgen.train.run import OptimisationConfig

    return OptimisationConfig(
        num_steps=args.steps,
        learning_rate=args.learning_rate,
        seed=args.seed,
        validate_every=args.validate_every,
        precision=args.precision,
    )


@dataclass(frozen=True)
class DataSets:
    """The data sets of a training."""

    training: "tuple[EpisodeSource, ...]"
    validation: "tuple[EpisodeSource, ...]"
    held_out: dict[str, object] | None
    """How the second were taken out of the first, for the description of the run; None where they were given."""


def open_sets(args: argparse.Namespace) -> DataSets:
    """Opens what `--data` and `--validation` name; a share to validate on is taken out of every set, and told.

    Raises:
        UserError: a folder that holds no data, a share beside folders, or a set too small to be shared out.
    """
    from slowfast_vgen.data.sources import open_episodes
    from slowfast_vgen.data.splitting import split_held_out

    training = tuple(open_episodes(folder) for folder in args.data)
    shares = [each for each in args.validation if isinstance(each, float)]
    if not shares:
        return DataSets(training, tuple(open_episodes(folder) for folder in args.validation), None)
    if len(args.validation) > 1:
        raise UserError("--validation takes folders, or one share such as 10%, not both")
    pairs = [split_held_out(source, shares[0]) for source in training]
    for _, held in pairs:
        names = ", ".join(Path(held.name(number)).name for number in range(min(len(held), 8)))
        more = ", ..." if len(held) > 8 else ""
        print(f"held out to validate on: {len(held)} of {len(held.source)} episodes of {held.folder} ({names}{more})")
    told: dict[str, object] = {"share": shares[0], "episodes": [list(held.numbers) for _, held in pairs]}
    return DataSets(tuple(kept for kept, _ in pairs), tuple(held for _, held in pairs), told)


def some_episodes(source: "EpisodeSource", args: argparse.Namespace, most: int = CODEC_EPISODES) -> "Iterator[Episode]":
    """All of a data set, or `most` of it drawn by the seed, in their order: of a folder and of its shards the same."""
    import numpy as np

    from slowfast_vgen.data.sources import readable_episodes

    drawn = np.random.default_rng(args.seed).permutation(len(source))[:most]
    return readable_episodes(source, args.max_bad_share, sorted(drawn.tolist()))


@dataclass(frozen=True)
class LatentData:
    """What a training on windows learns from and is validated on; the text encoder knows their texts."""

    training: "LatentSet"
    validation: "LatentSet"
    held_out: dict[str, object] | None
    """As in `DataSets`."""
    downsampling: int
    """Pixels along each side of one latent."""

    @property
    def chunk_frames(self) -> int:
        """`f_g`, as most of the data has it."""
        return self.training.usual_chunk_frames

    def record(self, target: str) -> "TrainingRecord":
        """What a denoiser that learns to predict `target` from it knows of its frames."""
        from slowfast_vgen.models.training_record import TrainingRecord

        height, width = (side * self.downsampling for side in self.training.latents.shape[2:])
        rates = self.training.fps
        if len(rates) > 1:
            told = " and ".join(f"{rate:g}" for rate in rates)
            print(
                f"the data has {told} frames a second, so actions mean several speeds; give `models pack` one by --fps"
            )
        fps = rates[0] if len(rates) == 1 else None
        return TrainingRecord(target, height, width, self.chunk_frames, self.chunk_frames, fps)

    def window_lengths(self) -> "WindowLengths":
        """The windows that both parts of the data have."""
        from slowfast_vgen.data.windows import WindowLengths, WindowSampler

        lengths = WindowLengths.around(self.chunk_frames)
        for part in (self.training, self.validation):
            lengths = WindowSampler(part).possible(lengths)
        return lengths


def load_latents(args: argparse.Namespace, text_encoder: "TextEncoder") -> LatentData:
    """Of the data to learn from and of the data to validate on."""
    from slowfast_vgen.data.latents import joined_sets
    from slowfast_vgen.models.world_model import load_codec

    codec, sets = load_codec(args.codec), open_sets(args)
    training, validation = map(joined_sets, _encoded(args, codec, sets, text_encoder))
    return LatentData(training, validation, sets.held_out, codec.downsampling)


def _encoded(
    args: argparse.Namespace, codec: "Codec", sets: DataSets, text_encoder: "TextEncoder", with_poses: bool = False
) -> "tuple[list[LatentSet], list[LatentSet]]":
    from slowfast_vgen.data.latent_cache import CACHE_FOLDER
    from slowfast_vgen.data.latents import cached_latents

    found = [
        cached_latents(
            source,
            codec.encode,
            codec.fingerprint(),
            None if args.cache == NO_CACHE else args.cache or source.folder / CACHE_FOLDER,
            lambda text: text_encoder([text]).tokens[0].cpu(),
            text_encoder.fingerprint,
            args.max_bad_share,
            with_poses,
        )
        for source in (*sets.training, *sets.validation)
    ]
    if len(sizes := {tuple(one.latents.shape[2:]) for one in found}) > 1:
        told = sorted(f"{width * codec.downsampling}x{height * codec.downsampling}" for height, width in sizes)
        raise UserError(f"the data sets have frames of {', '.join(told)}; give sets of one size")
    text_encoder.know({text: embedding for one in reversed(found) for text, embedding in one.texts.items()})
    return found[: len(sets.training)], found[len(sets.training) :]


@dataclass(frozen=True)
class ChainData(LatentData):
    """The same for a training on chains."""

    chains: "ChainSampler"
    validation_chains: "ChainSampler"
    motion: "Motion"
    """Of the camera, in all of the data."""


def load_chains(
    args: argparse.Namespace,
    text_encoder: "TextEncoder",
    most_chunks: int,
    address: "PlanarAddress | None" = None,
    poses_needed: bool = True,
    same_view: bool = True,
) -> ChainData:
    """The same as chains with poses; see `episode_poses` for where they are not needed.

    They have `--chunks` chunks where that is given, else as many as every set has, `most_chunks` at most. Their poses
    are in the steps of the `address`, or in those of the data where there is none. Their cameras have the `same_view`,
    unless what is trained asks for none.

    Raises:
        UserError: sets whose poses are in different units, or in other ones than the address; a set whose longest chain
            is shorter than asked for.
    """
    import numpy as np

    from slowfast_vgen.data.chains import ChainSampler, episode_poses, longest_chain
    from slowfast_vgen.data.latents import joined_sets
    from slowfast_vgen.data.motion import Motion, common_motion, motion_of
    from slowfast_vgen.models.world_model import load_codec

    codec, sets = load_codec(args.codec), open_sets(args)
    parts, poses, longest, motions = [], [], {}, {}
    if address is not None and poses_needed:
        motions["the addresses"] = Motion(float(address.config.step_units), float(address.config.fov_degrees))
    both = zip((sets.training, sets.validation), _encoded(args, codec, sets, text_encoder, True), strict=True)
    for sources, encoded in both:
        its_poses = []
        parts.append(joined_sets(encoded))
        chunk_frames = parts[0].usual_chunk_frames
        for one, source in zip(encoded, sources, strict=True):
            held = sets.held_out is not None and sources is sets.validation
            name = f"{source.folder}, held out," if held else f"{source.folder}"
            longest[name] = longest_chain(one, chunk_frames)
            its_poses.append(episode_poses(source, one.episodes, poses_needed))
            if poses_needed:
                found = motion_of(one, its_poses[-1])
                motions[name] = found if same_view else replace(found, fov_degrees=None)
        poses.append(np.concatenate(its_poses))
    motion = common_motion(motions)
    step_units = float(address.config.step_units) if address is not None else motion.step_units or 1.0
    num_chunks = _num_chunks(args, most_chunks, longest, chunk_frames)
    chains = [
        ChainSampler(part, its_poses, num_chunks, chunk_frames, step_units)
        for part, its_poses in zip(parts, poses, strict=True)
    ]
    return ChainData(parts[0], parts[1], sets.held_out, codec.downsampling, chains[0], chains[1], motion)


def _num_chunks(args: argparse.Namespace, most: int, longest: dict[str, int], chunk_frames: int) -> int:
    """How many chunks chains have; `longest` tells the most that each set has."""
    folder, there_are = min(longest.items(), key=lambda item: item[1])
    fewest = args.chunks or FEWEST_CHUNKS
    if there_are < fewest:
        wanted = f"--chunks {args.chunks}" if args.chunks else f"chains of {FEWEST_CHUNKS} chunks at least"
        mend = "give longer episodes, or some that were imported with a smaller --chunk-frames"
        if there_are >= FEWEST_CHUNKS:
            mend = f"give --chunks {there_are} or less, or longer episodes"
        raise UserError(
            f"{wanted} cannot be had: the longest chain of {folder} has {there_are} chunks of {chunk_frames} frames "
            f"(after {chunk_frames} frames of past); {mend}"
        )
    if args.chunks is None and there_are < most:
        print(f"chains of {there_are} chunks instead of {most}: {folder} has no longer ones (--chunks)")
    return args.chunks or min(most, there_are)
