"""What the tests of several worlds check alike; what a function returns is left for the test to judge."""

import hashlib
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from functools import _lru_cache_wrapper
from pathlib import Path

import numpy as np

from slowfast_bench.paths.episodes import Tour
from slowfast_envs.actions import FRAMES_PER_CHUNK, verb_of
from slowfast_envs.base import SeededEnvironment
from slowfast_envs.scene import Rect, Scene
from slowfast_envs.walking import Place, poses_of, walk
from slowfast_envs.walking_scripts import SCRIPTS, draw_path
from slowfast_vgen.cli.main import main
from slowfast_vgen.data.format import EpisodeDataset
from slowfast_vgen.metrics.frames import gaps, revisits
from slowfast_vgen.types import Episode, Frames, Poses

SOURCE = Path(__file__).parents[1] / "src"


# --- maps


def neighbours(scene: Scene) -> dict[int, set[int]]:
    """The rooms that corridors lead to, by room."""
    found = defaultdict(set)
    for corridor in scene.corridors:
        found[corridor.first].add(corridor.second)
        found[corridor.second].add(corridor.first)
    return found


def reached_from_first(ways: Callable[[int], Collection[int]]) -> set[int]:
    """Where one comes from 0 on; `ways` tells where one step leads."""
    reached, frontier = {0}, [0]
    while frontier:
        new = set(ways(frontier.pop())) - reached
        reached |= new
        frontier += new
    return reached


def solid_near(spaces: Collection[Rect], x: float, y: float, margin: int) -> bool:
    """Whether some point of the square around (x, y) lies in none of the open spaces. Independent of `is_free`."""
    around = np.linspace(-margin, margin, 11)
    return any(
        not any(r.left <= x + dx <= r.right and r.bottom <= y + dy <= r.top for r in spaces)
        for dx in around
        for dy in around
    )


def open_spaces(scene: Scene) -> list[Rect]:
    """All that is no wall: rooms and corridors."""
    return [*scene.rooms, *(corridor.rect for corridor in scene.corridors)]


def check_free_space(
    is_free: Callable[[int, int], bool], spaces: Collection[Rect], margin: int, points: np.ndarray
) -> int:
    """What is free keeps the margin, and what is not would not. Returns how many of the points are free."""
    free = 0
    for x, y in points.tolist():
        if is_free(x, y):
            free += 1
            assert not solid_near(spaces, x, y, margin)
        else:
            assert solid_near(spaces, x, y, margin + 1)
    return free


def check_drawn_again(draw: _lru_cache_wrapper, seed: int) -> None:
    """A seed gives an equal map when it is drawn anew."""
    first = draw(seed)
    draw.cache_clear()
    again = draw(seed)
    assert again is not first
    assert again == first
    assert again.digest == first.digest


# --- paths


def check_closed_script(scene: Scene, script: str, num_chunks: int, seed: int) -> list[str]:
    """The script ends where it starts, after as many chunks as asked for, without a bump. Returns its verbs."""
    _, start, verbs = draw_path(np.random.default_rng(seed), scene, script, num_chunks)
    places, refused = walk(scene, start, verbs)
    assert len(verbs) == num_chunks
    assert places[-1] == start
    assert not any(refused)
    return verbs


def wandered(scenes: Iterable[Scene]) -> tuple[Counter[str], list[int], list[float]]:
    """Of 32 chunks of wandering in each scene: all verbs, and in each how many rooms and the share of bumps."""
    verbs_used: Counter[str] = Counter()
    rooms, bumps = [], []
    for index, scene in enumerate(scenes):
        _, start, verbs = draw_path(np.random.default_rng(index), scene, "wander", 32)
        places, refused = walk(scene, start, verbs)
        verbs_used.update(verbs)
        rooms.append(len({scene.room_at(place.x, place.y) for place in places} - {None}))
        bumps.append(float(np.array(refused[1:]).reshape(-1, FRAMES_PER_CHUNK).any(1).mean()))
    return verbs_used, rooms, bumps


def gaps_of(tour: Tour, bumps: bool = False) -> np.ndarray:
    """How long ago each generated frame was in view, in frames; every one was, and walls are bumped into or not."""
    places, refused = walk(tour.scene, tour.start, list(tour.verbs))
    assert any(refused) == bumps, "a tour bumps into walls where it is to, and else nowhere"
    first = 1 + FRAMES_PER_CHUNK * tour.num_out
    pairs = revisits(poses_of(places), first, 0)
    assert len(pairs) == len(places) - first, "every generated frame has been in view before"
    return np.array(gaps(poses_of(places)))[[later for later, _ in pairs]]


# --- frames


def count_revisits(frames: Frames, poses: Poses) -> int:
    """How often a pose comes again; it looks the same each time."""
    count = 0
    seen: dict[tuple, np.ndarray] = {}
    for frame, pose in zip(frames, map(tuple, poses), strict=True):
        if pose in seen:
            count += 1
            assert (seen[pose] == frame).all()
        seen[pose] = frame
    return count


def told_by_another_process(world: type[SeededEnvironment], num_chunks: int) -> list[str]:
    """`identity` of episode 2 of validation, seed 3, as another process prints it."""
    code = (
        f"import hashlib; from {world.__module__} import {world.__name__};"
        f"episode = next({world.__name__}('validation', 3).episodes(1, 'mix', {num_chunks}, first_index=2));"
        "print(hashlib.sha256(episode.frames.tobytes() + episode.poses.tobytes()).hexdigest(),"
        " episode.metadata['scene'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(SOURCE)}, check=True
    )
    return done.stdout.split()


def identity(episode: Episode) -> list[str]:
    """A hash of frames and poses, and the scene."""
    assert episode.poses is not None
    sha = hashlib.sha256(episode.frames.tobytes() + episode.poses.tobytes()).hexdigest()
    return [sha, episode.metadata["scene"]]


# --- episodes


def check_walked_episode(episode: Episode, scene: Scene, digest: str) -> None:
    """An episode of three chunks is complete, and can be walked again from what it holds."""
    assert episode.frames.shape == (13, 64, 64, 3)
    assert episode.frames.dtype == np.uint8
    assert episode.poses is not None
    assert episode.poses.shape == (13, 3)
    assert episode.poses.dtype == np.float64
    assert episode.fps == 10
    assert [(c.start_frame, c.num_frames) for c in episode.chunks] == [(1, 4), (5, 4), (9, 4)]
    assert all(verb_of(c.action) == c.verb for c in episode.chunks)
    assert json.loads(json.dumps(episode.metadata)) == episode.metadata
    assert episode.metadata["scene"] == digest
    assert episode.metadata["script"] in SCRIPTS
    places, refused = walk(scene, Place.of_pose(episode.poses[0]), [c.verb for c in episode.chunks])
    assert (poses_of(places) == episode.poses).all()
    assert episode.metadata["collisions"] == [frame for frame, bumped in enumerate(refused) if bumped]


def make_two_splits(world: str, folder: Path, num_chunks: int) -> list[Path]:
    """Two episodes of train and of test, made and found sound and apart by the command line."""
    words = ["--env", world, "--episodes", "2", "--num-chunks", str(num_chunks)]
    splits = [folder / split for split in ("train", "test")]
    for path in splits:
        assert main(["data", "make", *words, "--split", path.name, "--out", str(path)]) == 0
    assert main(["data", "check", *map(str, splits)]) == 0
    return splits


def second_of_train(world: type[SeededEnvironment], folder: Path) -> Episode:
    """Episode 1 of train as `make_two_splits` has made it: of this world, and the very frames that it gives."""
    dataset = EpisodeDataset(make_two_splits(world.name, folder, 3)[0])
    assert dataset.header.world == world.name
    episode = dataset[1]
    assert episode.frames.shape == (13, 64, 64, 3)
    assert episode.metadata["world"] == world.name
    assert (episode.frames == list(world("train", 0).episodes(2, "mix", 3))[1].frames).all()
    return episode
