"""`check_adapter` checks an adapter against the contract of base.py, in the spirit of gymnasium's `check_env`."""

import json
from itertools import islice
from pathlib import Path

import numpy as np

from slowfast_vgen.data.adapters.base import REASONS, Adapter, Finding, ImportSettings, Recipe, UnusableError
from slowfast_vgen.data.importing import chunks_of
from slowfast_vgen.data.rules import chunk_defects, pose_defects

_OPTIONS = frozenset({"table", "poses", "camera", "source_fps"})
_NOWHERE = Path("an episode")


def check_adapter(adapter: Adapter, settings: ImportSettings, num_recordings: int = 8) -> None:
    """Reads an adapter's first recordings twice and checks them against the contract.

    Use it with a sound source, or with one that has a few defects: those must become findings.

    Args:
        adapter: adapter made with `settings`.
        settings: settings that its episodes must fit.
        num_recordings: number of recordings that are opened and decoded.

    Raises:
        AssertionError: a breach of the contract, in one sentence.
    """
    _expect(isinstance(adapter.name, str) and adapter.name.strip() == adapter.name != "", "it has no name")
    _expect(adapter.options <= _OPTIONS, f"its options {set(adapter.options - _OPTIONS)} are unknown")
    _expect(bool(adapter.licence.strip()), "its licence is blank; say that none is stated")
    files = adapter.index_files()
    _expect(bool(files) and files == adapter.index_files(), "its index files are none, or others at the second call")
    _expect(all(path.is_file() for path in files), "an index file is not there")
    names = [recording.name for recording in adapter.recordings()]
    _expect(bool(names), "it has no recordings")
    _expect(len(set(names)) == len(names), "two recordings have one name")
    again = [recording.name for recording in adapter.recordings()]
    _expect(names == again, "its recordings are others at the second call")
    recipe_names: set[str] = set()
    for recording in islice(adapter.recordings(), num_recordings):
        first, second = list(recording.samples()), list(recording.samples())
        _expect(
            [_identity(sample) for sample in first] == [_identity(sample) for sample in second],
            f"the samples of {recording.name} are others at the second call",
        )
        for sample in first:
            if isinstance(sample, Finding):
                _check_finding(sample)
            else:
                _expect(sample.name not in recipe_names, f"two episodes are called {sample.name}")
                recipe_names.add(sample.name)
                _check_recipe(sample, settings)


def _check_finding(finding: Finding) -> None:
    this = f"the finding on {finding.name!r}"
    _expect(bool(finding.name.strip()), "a finding names nothing")
    _expect(finding.reason in REASONS, f"{this} has the unknown reason {finding.reason!r}")
    _expect(bool(finding.message.strip()), f"{this} says nothing")


def _check_recipe(recipe: Recipe, settings: ImportSettings) -> None:
    this = f"the episode {recipe.name!r}"
    num_frames = len(recipe.words) + 1
    _expect(bool(recipe.name.strip() and recipe.scene.strip()), f"{this} has no name or no scene")
    _expect(2 <= num_frames <= settings.episode_frames, f"{this} has {num_frames} frames")
    chunks = chunks_of(recipe.words, settings.chunk_frames)
    for defect in chunk_defects(_NOWHERE, chunks, num_frames):
        _expect(False, f"{this}: {defect.message}")
    ends = list(recipe.ends)
    _expect(ends == sorted(set(ends)), f"the ends of {this} do not rise")
    _expect(not ends or 2 <= ends[0] <= ends[-1] <= num_frames, f"the ends of {this} are not in 2 to {num_frames}")
    try:
        json.dumps(recipe.metadata, allow_nan=False)
    except (TypeError, ValueError) as error:
        _expect(False, f"the metadata of {this} are no JSON ({error})")
    if recipe.poses is not None:
        _expect(recipe.poses.dtype == np.float64 and recipe.poses.ndim == 2, f"the poses of {this} are not float64")
        for defect in pose_defects(_NOWHERE, recipe.poses, num_frames):
            _expect(False, f"{this}: {defect.message}")
    try:
        frames, again = recipe.decode(), recipe.decode()
    except UnusableError as error:
        _expect(all(frame.shape == (*settings.frame_size, 3) for frame in error.frames), f"{this}: odd frames")
        _expect(len(error.frames) < num_frames, f"{this} failed with all its frames")
        return
    shape = (num_frames, *settings.frame_size, 3)
    _expect(
        frames.shape == shape and frames.dtype == np.uint8, f"{this} is {frames.dtype} {frames.shape}, want {shape}"
    )
    _expect(np.array_equal(frames, again), f"{this} has other frames when it is decoded again")


def _identity(sample: Recipe | Finding) -> object:
    """Returns all of a sample that can be compared."""
    if isinstance(sample, Finding):
        return sample
    poses = None if sample.poses is None else sample.poses.tolist()
    return sample.name, sample.scene, sample.words, poses, sample.metadata, list(sample.ends)


def _expect(is_kept: bool, sentence: str) -> None:
    if not is_kept:  # not an assert, which python -O removes
        raise AssertionError(f"the adapter breaks its contract: {sentence}")
