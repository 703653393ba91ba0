"""What the commands of `slowfast train` read: data set folders or shards, and the cache of encoded episodes."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from slowfast_vgen.cli.common import number, path_name
from slowfast_vgen.cli.computing import start_computing

if TYPE_CHECKING:
    import torch

    from slowfast_vgen.data.chains import ChainSampler
    from slowfast_vgen.data.latents import LatentSet
    from slowfast_vgen.models.text import TextEncoder
    from slowfast_vgen.train.run import OptimisationConfig
    from slowfast_vgen.types import Episode

NO_CACHE = Path("none")
CODEC_EPISODES = 2000
"""Of each data set that a codec is trained on, at most: of 129 frames of 64x64, every fifth takes 640 MB of memory."""


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what every training has: what it learns from and is validated on."""
    parser.add_argument(
        "--data", required=True, nargs="+", type=path_name, metavar="DIR",
        help="data sets, or shards, to learn from; of several, windows are drawn equally often, however large they are",
    )  # fmt: skip
    parser.add_argument(
        "--validation", required=True, nargs="+", type=path_name, metavar="DIR", help="the same of other scenes"
    )
    parser.add_argument(
        "--max-bad-share", type=number(0, 1), default=0.0, metavar="SHARE",
        help="leave out episodes that cannot be read, at most this share of them; default: 0",
    )  # fmt: skip


def add_cached_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the trainings on latents have."""
    parser.add_argument(
        "--codec", required=True, type=path_name, metavar="DIR", help="a folder that `train codec` wrote"
    )
    parser.add_argument(
        "--cache", type=path_name, metavar="DIR|none",
        help="where encoded episodes are kept; none keeps them in memory; default: .cache in each data set",
    )  # fmt: skip


def start_training(args: argparse.Namespace) -> "torch.device":
    """Settles where and how a training computes: one that goes on, as it did before (see `start_computing`).

    Raises:
        UserError: a device that is not there, or a damaged checkpoint.
    """
    from slowfast_vgen.train.checkpoint import HEADER_FILE, read_header

    checkpoint, stored = args.out / "checkpoint", {}
    if (checkpoint / HEADER_FILE).is_file():
        header = read_header(checkpoint)
        stored = {"precision": header["config"]["optimisation"].get("precision"), "threads": header.get("threads")}
    return start_computing(args, stored=stored)


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


def some_episodes(folder: Path, args: argparse.Namespace, most: int = CODEC_EPISODES) -> "Iterator[Episode]":
    """All of a data set, or `most` of it drawn by the seed, in their order: of a folder and of its shards the same."""
    import numpy as np

    from slowfast_vgen.data.sources import open_episodes, readable_episodes

    source = open_episodes(folder)
    drawn = np.random.default_rng(args.seed).permutation(len(source))[:most]
    return readable_episodes(source, args.max_bad_share, sorted(drawn.tolist()))


def load_latents(args: argparse.Namespace, text_encoder: "TextEncoder") -> "tuple[LatentSet, LatentSet]":
    """Of the data to learn from and of the data to validate on; the encoder then knows their texts."""
    from slowfast_vgen.data.latents import joined_sets

    training, validation = _load_sets(args, text_encoder)
    return joined_sets(training), joined_sets(validation)


def _load_sets(
    args: argparse.Namespace, text_encoder: "TextEncoder", with_poses: bool = False
) -> "tuple[list[LatentSet], list[LatentSet]]":
    from slowfast_vgen.data.latent_cache import CACHE_FOLDER
    from slowfast_vgen.data.latents import cached_latents
    from slowfast_vgen.data.sources import open_episodes
    from slowfast_vgen.models.codec import Codec

    codec = Codec.load(args.codec)
    sets = [
        cached_latents(
            open_episodes(folder),
            codec.encode,
            codec.fingerprint(),
            None if args.cache == NO_CACHE else args.cache or folder / CACHE_FOLDER,
            lambda text: text_encoder([text]).tokens[0].cpu(),
            text_encoder.fingerprint,
            args.max_bad_share,
            with_poses,
        )
        for folder in (*args.data, *args.validation)
    ]
    text_encoder.know({text: embedding for one in reversed(sets) for text, embedding in one.texts.items()})
    return sets[: len(args.data)], sets[len(args.data) :]


def load_chains(
    args: argparse.Namespace, text_encoder: "TextEncoder", num_chunks: int, step_units: float, poses_needed: bool = True
) -> "tuple[ChainSampler, ChainSampler]":
    """The same as chains, with poses; see `episode_poses` for where they are not needed."""
    import numpy as np

    from slowfast_vgen.data.chains import ChainSampler, episode_poses
    from slowfast_vgen.data.latents import joined_sets
    from slowfast_vgen.data.sources import open_episodes

    samplers = []
    for sets, folders in zip(
        _load_sets(args, text_encoder, with_poses=True), (args.data, args.validation), strict=True
    ):
        pairs = zip(sets, folders, strict=True)
        poses = [episode_poses(open_episodes(folder), one.episodes, poses_needed) for one, folder in pairs]
        samplers.append(ChainSampler(joined_sets(sets), np.concatenate(poses), num_chunks, 4, step_units))
    return samplers[0], samplers[1]
