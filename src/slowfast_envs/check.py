"""Check that a world keeps the contract of `slowfast_vgen.engines.Environment`, like gymnasium's `check_env`."""

import json
from collections.abc import Callable
from itertools import islice

import numpy as np

from slowfast_envs.base import SPLITS
from slowfast_vgen.engines import Environment, MakeEnvironment, env_class
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Episode

REQUIRED = ("world", "split", "scene", "script", "licence")
"""Keys that the metadata of every episode must have; `scene` identifies the scene, such as a hash of its map."""


def check_env_world(world: str | MakeEnvironment, num_chunks: int = 4, repeats: bool = True) -> None:
    """Records some short episodes and checks them against the contract.

    It records two of "mix" and one of each script in the split "train", and one in each other split.

    Args:
        world: a class, the name of an installed world, or `module:Class`.
        num_chunks: actions per episode: as many as its longest script needs.
        repeats: whether a place that is seen again must look the same and splits must not share a scene; False where
            another game decides that.

    Raises:
        AssertionError: the contract is broken; the message is one sentence.
        UserError: no such world, or its engine does not run here.
    """
    make = env_class(world) if isinstance(world, str) else world
    _check_refusals(make)
    opened = make("train", 7)
    first, second = _record(opened, "mix", num_chunks, count=2)
    for episode in (first, second):
        _check_episode(episode, opened, "train", num_chunks)
    if repeats:
        _expect(_scene(first) != _scene(second), "two episodes show one scene")
    (alone,) = _record(make("train", 7), "mix", num_chunks, first_index=1)
    _expect(_identity(alone) == _identity(second), "episode 1 differs when it is recorded without episode 0")
    scripts = list(opened.scripts)
    _expect(bool(scripts) and "mix" not in scripts, f'its scripts {scripts} are empty, or include "mix"')
    for script in scripts:
        (episode,) = _record(opened, script, num_chunks)
        _check_episode(episode, opened, "train", num_chunks)
        recorded = episode.metadata["script"]
        _expect(recorded == script, f"the metadata of an episode of the script {script!r} name {recorded!r}")
        if repeats:
            _check_revisits(episode)
    for split in SPLITS[1:]:
        (episode,) = _record(make(split, 7), "mix", num_chunks)
        _check_episode(episode, opened, split, num_chunks)
        if repeats:
            _expect(_scene(episode) not in (_scene(first), _scene(second)), f'"{split}" and "train" share a scene')


def _check_refusals(make: MakeEnvironment) -> None:
    """Checks that invalid requests are refused in a sentence, before an engine starts."""
    _expect_refused("an unknown split", lambda: make("exam", 0))
    _expect_refused("the seed -1", lambda: make("train", -1))
    world = make("train", 0)
    _expect(isinstance(world.name, str) and world.name.strip() == world.name != "", "it has no name")
    _expect_refused("an unknown script", lambda: world.episodes(1, "no such script", 4))
    _expect_refused("an episode without a chunk", lambda: world.episodes(1, "mix", 0))
    _expect_refused("no episode", lambda: world.episodes(0, "mix", 4))
    _expect_refused("the index -1", lambda: world.episodes(1, "mix", 4, first_index=-1))


def _check_episode(episode: Episode, world: Environment, split: str, num_chunks: int) -> None:
    frames, chunks, poses = episode.frames, episode.chunks, episode.poses
    shape = (1 + sum(chunk.num_frames for chunk in chunks), *frames.shape[1:3], 3)
    sound = frames.dtype == np.uint8 and frames.shape == shape
    _expect(sound, f"frames are {frames.dtype} {frames.shape}, not uint8 {shape}")
    starts = [1 + sum(chunk.num_frames for chunk in chunks[:number]) for number in range(len(chunks))]
    _expect([chunk.start_frame for chunk in chunks] == starts, "chunks do not tile the frames after the first")
    _expect(len(chunks) == num_chunks, f"{len(chunks)} chunks were recorded where {num_chunks} were asked for")
    _expect(all(chunk.action.strip() and chunk.num_frames >= 1 for chunk in chunks), "a chunk has no text or no frame")
    _expect(episode.fps > 0, f"{episode.fps} frames a second is not a frame rate")
    if poses is not None:
        _expect(poses.dtype == np.float64 and poses.shape == (len(frames), 3), "poses are not float64, one row a frame")
        _expect(bool(np.isfinite(poses).all()), "a pose is not finite")
        _expect(bool(((poses[:, 2] >= 0) & (poses[:, 2] < 360)).all()), "a heading is not in [0, 360) degrees")
    metadata = episode.metadata
    missing = sorted(set(REQUIRED) - set(metadata))
    _expect(not missing, f"the metadata lack {', '.join(missing)}")
    named = (metadata["world"], metadata["split"])
    _expect(named == (world.name, split), "the metadata name another world or split")
    script = metadata["script"]
    _expect(script in world.scripts, f"the metadata name the script {script!r}, which it does not have")
    try:
        read_back = json.loads(json.dumps(metadata, allow_nan=False))
        _expect(read_back == metadata, "the metadata differ when read back as JSON")
    except (TypeError, ValueError) as error:
        _expect(False, f"the metadata are no JSON ({error})")


def _check_revisits(episode: Episode) -> None:
    """Checks that the same pose shows the same pixels, unless the camera never moves: then something else does."""
    poses = episode.poses
    if poses is None or (poses == poses[0]).all():
        return
    seen: dict[bytes, bytes] = {}
    for pose, frame in zip(poses, episode.frames, strict=True):
        same = seen.setdefault(pose.tobytes(), frame.tobytes()) == frame.tobytes()
        _expect(same, f"the pose {tuple(pose.tolist())} shows two pictures in one episode")


def _record(world: Environment, script: str, num_chunks: int, count: int = 1, first_index: int = 0) -> list[Episode]:
    episodes = list(islice(world.episodes(count, script, num_chunks, first_index=first_index), count + 1))
    _expect(len(episodes) == count, f"{len(episodes)} episodes were recorded where {count} were asked for")
    return episodes


def _identity(episode: Episode) -> object:
    """Contents of an episode, for comparison."""
    poses = None if episode.poses is None else episode.poses.tobytes()
    return episode.frames.tobytes(), episode.chunks, poses, episode.fps, episode.metadata


def _scene(episode: Episode) -> object:
    return episode.metadata["scene"]


def _expect_refused(what: str, call: Callable[[], object]) -> None:
    try:
        call()
    except UserError as error:
        _expect(bool(str(error).strip()), f"{what} is refused without a word")
        return
    _expect(False, f"{what} is not refused by a UserError, at once")


def _expect(is_kept: bool, sentence: str) -> None:
    if not is_kept:  # not an assert: those vanish under python -O
        raise AssertionError(f"the world breaks its contract: {sentence}")
