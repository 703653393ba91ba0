"""What trainings read: data sets, encoded once, as windows or as chains."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from slowfast_vgen.data.chains import ChainSampler, episode_poses, longest_chain
from slowfast_vgen.data.latent_cache import CACHE_FOLDER
from slowfast_vgen.data.latents import LatentSet, cached_latents, joined_sets
from slowfast_vgen.data.motion import Motion, common_motion, motion_of
from slowfast_vgen.data.settings import WindowLengths
from slowfast_vgen.data.sources import EpisodeSource, open_episodes, readable_episodes
from slowfast_vgen.data.splitting import split_held_out
from slowfast_vgen.data.windows import WindowSampler
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.codec import Codec
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.training_record import TrainingRecord
from slowfast_vgen.models.world_model import load_codec
from slowfast_vgen.train.settings import LatentFiles, Share, TrainingFiles
from slowfast_vgen.types import Episode

Tell = Callable[[str], object]
"""Is given sentences that a user should read."""
NO_CACHE = Path("none")
CODEC_EPISODES = 2000
"""Of each data set that a codec is trained on, at most: of 129 frames of 64x64, every fifth takes 640 MB of memory."""
FEWEST_CHUNKS = 2
"""Of a chain: what is written in the first can be read in the second."""


@dataclass(frozen=True)
class DataSets:
    """The data sets of a training."""

    training: tuple[EpisodeSource, ...]
    validation: tuple[EpisodeSource, ...]
    held_out: dict[str, object] | None
    """How the second were taken out of the first, for the description of the run; None where they were given."""


def open_sets(files: TrainingFiles, tell: Tell = print) -> DataSets:
    """Opens the data to learn from and to validate on; a share to validate on is taken out of every set, and told.

    Raises:
        UserError: a folder that holds no data, a share beside folders, or a set too small to be shared out.
    """
    training = tuple(open_episodes(folder) for folder in files.data)
    shares = [each for each in files.validation if isinstance(each, Share)]
    folders = [each for each in files.validation if not isinstance(each, Share)]
    if not shares:
        return DataSets(training, tuple(open_episodes(folder) for folder in folders), None)
    if folders or len(shares) > 1:
        raise UserError("--validation takes folders, or one share such as 10%, not both")
    pairs = [split_held_out(source, shares[0]) for source in training]
    for _, held in pairs:
        names = ", ".join(Path(held.name(number)).name for number in range(min(len(held), 8)))
        more = ", ..." if len(held) > 8 else ""
        tell(f"held out to validate on: {len(held)} of {len(held.source)} episodes of {held.folder} ({names}{more})")
    told: dict[str, object] = {"share": float(shares[0]), "episodes": [list(held.numbers) for _, held in pairs]}
    return DataSets(tuple(kept for kept, _ in pairs), tuple(held for _, held in pairs), told)


def some_episodes(
    source: EpisodeSource, seed: int, max_bad_share: float = 0.0, most: int = CODEC_EPISODES
) -> Iterator[Episode]:
    """All of a data set, or `most` of it drawn by the seed, in their order: of a folder and of its shards the same."""
    drawn = np.random.default_rng(seed).permutation(len(source))[:most]
    return readable_episodes(source, max_bad_share, sorted(drawn.tolist()))


@dataclass(frozen=True)
class LatentData:
    """What a training on windows learns from and is validated on; the text encoder knows their texts."""

    training: LatentSet
    validation: LatentSet
    held_out: dict[str, object] | None
    """As in `DataSets`."""
    downsampling: int
    """Pixels along each side of one latent."""

    @property
    def chunk_frames(self) -> int:
        """`f_g`, as most of the data has it."""
        return self.training.usual_chunk_frames

    def record(self, target: str, tell: Tell = print) -> TrainingRecord:
        """What a denoiser that learns to predict `target` from it knows of its frames."""
        height, width = (side * self.downsampling for side in self.training.latents.shape[2:])
        rates = self.training.fps
        if len(rates) > 1:
            told = " and ".join(f"{rate:g}" for rate in rates)
            tell(
                f"the data has {told} frames a second, so actions mean several speeds; give `models pack` one by --fps"
            )
        fps = rates[0] if len(rates) == 1 else None
        return TrainingRecord(target, height, width, self.chunk_frames, self.chunk_frames, fps)

    def window_lengths(self) -> WindowLengths:
        """The windows that both parts of the data have."""
        lengths = WindowLengths.around(self.chunk_frames)
        for part in (self.training, self.validation):
            lengths = WindowSampler(part).possible(lengths)
        return lengths


def load_latents(files: LatentFiles, text_encoder: TextEncoder, tell: Tell = print) -> LatentData:
    """Of the data to learn from and of the data to validate on."""
    codec, sets = load_codec(files.codec), open_sets(files, tell)
    training, validation = map(joined_sets, _encoded(files, codec, sets, text_encoder))
    return LatentData(training, validation, sets.held_out, codec.downsampling)


def _encoded(
    files: LatentFiles, codec: Codec, sets: DataSets, text_encoder: TextEncoder, with_poses: bool = False
) -> tuple[list[LatentSet], list[LatentSet]]:
    found = [
        cached_latents(
            source,
            codec.encode,
            codec.fingerprint(),
            None if files.cache == NO_CACHE else files.cache or source.folder / CACHE_FOLDER,
            lambda text: text_encoder([text]).tokens[0].cpu(),
            text_encoder.fingerprint,
            files.max_bad_share,
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

    chains: ChainSampler
    validation_chains: ChainSampler
    motion: Motion
    """Of the camera, in all of the data."""


def load_chains(
    files: LatentFiles,
    text_encoder: TextEncoder,
    num_chunks: int,
    fewer: bool = True,
    address: PlanarAddress | None = None,
    poses_needed: bool = True,
    same_view: bool = True,
    tell: Tell = print,
) -> ChainData:
    """The same as chains with poses; see `episode_poses` for where they are not needed.

    They have `num_chunks` chunks, or, where `fewer` may be, as many as every set has. Their poses are in the steps of
    the `address`, or in those of the data where there is none. Their cameras have the `same_view`, unless what is
    trained asks for none.

    Raises:
        UserError: sets whose poses are in different units, or in other ones than the address; a set whose longest chain
            is shorter than asked for.
    """
    codec, sets = load_codec(files.codec), open_sets(files, tell)
    parts, poses, longest, motions = [], [], {}, {}
    if address is not None and poses_needed:
        motions["the addresses"] = Motion(float(address.config.step_units), float(address.config.fov_degrees))
    both = zip((sets.training, sets.validation), _encoded(files, codec, sets, text_encoder, True), strict=True)
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
    num_chunks = _num_chunks(num_chunks, fewer, longest, chunk_frames, tell)
    chains = [
        ChainSampler(part, its_poses, num_chunks, chunk_frames, step_units)
        for part, its_poses in zip(parts, poses, strict=True)
    ]
    return ChainData(parts[0], parts[1], sets.held_out, codec.downsampling, chains[0], chains[1], motion)


def _num_chunks(wanted: int, fewer: bool, longest: dict[str, int], chunk_frames: int, tell: Tell) -> int:
    """How many chunks chains have; `longest` tells the most that each set has."""
    folder, there_are = min(longest.items(), key=lambda item: item[1])
    if there_are < (FEWEST_CHUNKS if fewer else wanted):
        told = f"chains of {FEWEST_CHUNKS} chunks at least" if fewer else f"--chunks {wanted}"
        mend = "give longer episodes, or some that were imported with a smaller --chunk-frames"
        if there_are >= FEWEST_CHUNKS:
            mend = f"give --chunks {there_are} or less, or longer episodes"
        raise UserError(
            f"{told} cannot be had: the longest chain of {folder} has {there_are} chunks of {chunk_frames} frames "
            f"(after {chunk_frames} frames of past); {mend}"
        )
    if there_are < wanted:
        tell(f"chains of {there_are} chunks instead of {wanted}: {folder} has no longer ones (--chunks)")
    return min(wanted, there_are)
