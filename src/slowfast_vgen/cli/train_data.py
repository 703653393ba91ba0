"""What the commands of `slowfast train` read: data set folders or shards, and the cache of encoded episodes."""

import argparse
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from slowfast_vgen.cli.common import number, path_name

if TYPE_CHECKING:
    from slowfast_vgen.data.chains import ChainSampler
    from slowfast_vgen.data.latents import LatentSet
    from slowfast_vgen.models.text import TextEncoder
    from slowfast_vgen.train.run import OptimisationConfig
    from slowfast_vgen.types import Episode

NO_CACHE = Path("none")
CODEC_EPISODES = 2000
"""Of shards that a codec is trained on: of 129 frames of 64x64, every fifth of them takes 650 MB of memory."""


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


def some_episodes(folders: Sequence[Path], args: argparse.Namespace) -> "Iterable[Episode]":
    """All of the folders'; of shards so many of the shuffled stream as a codec needs."""
    return chain.from_iterable(_some_of(folder, args) for folder in folders)


def _some_of(folder: Path, args: argparse.Namespace) -> "Iterable[Episode]":
    from slowfast_vgen.data.shard_index import is_sharded
    from slowfast_vgen.data.shard_stream import ShardStream, StreamConfig
    from slowfast_vgen.data.sources import open_episodes, readable_episodes

    if not is_sharded(folder):
        return readable_episodes(open_episodes(folder), args.max_bad_share)
    config = StreamConfig(seed=args.seed, num_epochs=1, max_bad_share=args.max_bad_share)
    return islice(ShardStream(folder, config), CODEC_EPISODES)


def load_latents(args: argparse.Namespace, text_encoder: "TextEncoder") -> "tuple[LatentSet, LatentSet]":
    """Of the data to learn from and of the data to validate on; the encoder then knows their texts."""
    from slowfast_vgen.data.latents import joined_sets

    training, validation = _load_sets(args, text_encoder)
    return joined_sets(training), joined_sets(validation)


def _load_sets(args: argparse.Namespace, text_encoder: "TextEncoder") -> "tuple[list[LatentSet], list[LatentSet]]":
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
    for sets, folders in zip(_load_sets(args, text_encoder), (args.data, args.validation), strict=True):
        pairs = zip(sets, folders, strict=True)
        poses = [episode_poses(open_episodes(folder), one.episodes, poses_needed) for one, folder in pairs]
        samplers.append(ChainSampler(joined_sets(sets), np.concatenate(poses), num_chunks, 4, step_units))
    return samplers[0], samplers[1]
