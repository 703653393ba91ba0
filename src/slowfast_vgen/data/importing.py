"""Imports recorded data of any source into a data set folder: streaming, and resumable at any time.

Its report (`import_report`), written after each episode, lists what was made and what was left out. An import that is
stopped and resumed makes the same data set and the same report as one that was not.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from slowfast_vgen.data.adapters.base import (
    Adapter,
    Finding,
    ImportSettings,
    Recipe,
    Recording,
    UnusableError,
    Words,
)
from slowfast_vgen.data.format import DATASET_FILE, DatasetWriter, episode_folder, episode_numbers, read_header
from slowfast_vgen.data.headers import DatasetHeader
from slowfast_vgen.data.import_report import (
    FINDINGS_FILE,
    REPORT_FILE,
    ImportReport,
    ReportLog,
    is_report,
    printable,
    read_report,
)
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import sha256_of_file
from slowfast_vgen.types import Chunk, Episode

FEWEST_SAMPLES = 100
"""Least number of samples that the share of bad ones refers to during an import: a bad start alone does not end it."""
MOST_EPISODES = 999_999
_READ_BYTES = 2**28
"""Bytes of a source's tables that are compared by content when an import resumes; the rest by names and sizes."""
_SHORTENED = "frames_of_source"


def import_dataset(
    adapter: Adapter,
    out: Path,
    settings: ImportSettings,
    limit: int | None = None,
    max_bad_share: float = 0.5,
    lossless: bool = True,
    on_progress: Callable[[ImportReport], None] = lambda report: None,
) -> ImportReport:
    """Makes the episodes of a source, or resumes making them.

    Args:
        adapter: as `open_adapter` gives it, made with the same `settings`.
        out: new or empty, or the folder of the same import.
        settings: how episodes are cut and resized.
        limit: largest number of episodes; None makes all.
        max_bad_share: a larger share of bad samples ends the import.
        lossless: as `write_episode`.
        on_progress: called after each sample.

    Raises:
        UserError: a folder with other content or with an import of other tables or settings; too many bad samples;
            nothing to use at all; a folder that cannot be written.
    """
    licence = settings.licence or adapter.licence
    creation = _creation(adapter, settings, lossless)
    _tidy(out)
    saved = read_report(out)  # raises before anything there is changed
    made_already = _name_of_unreported_episode(out, ImportReport() if saved is None else saved.report)
    writer = DatasetWriter(out, DatasetHeader(adapter.name, settings.split, limit or MOST_EPISODES, creation))
    log = ReportLog(out, adapter.name, licence)
    report = log.report
    for sample in _remaining(adapter, report, limit, out):
        if isinstance(sample, Finding):
            log.add(sample)
        elif made_already == printable(sample.name):  # the process died after writing it
            header = read_header(episode_folder(out, report.episodes))
            if _SHORTENED in header.metadata:  # the report still lacks the reason
                _episode(sample, settings, adapter.name, licence, log.add)
            report.episodes, made_already = report.episodes + 1, None
            report.frames += header.num_frames
        elif (episode := _episode(sample, settings, adapter.name, licence, log.add)) is not None:
            writer.append(episode, lossless)
            report.episodes += 1
            report.frames += episode.num_frames
        report.samples_done += 1
        if isinstance(sample, Recipe):
            log.save()
        on_progress(report)
        num_samples = report.episodes + report.num_left_out
        if report.num_left_out > max_bad_share * max(num_samples, FEWEST_SAMPLES):
            _stop_for_bad_share(adapter, log, max_bad_share, out)
    num_samples = report.episodes + report.num_left_out
    # Where a limit ended it, too little may have been seen for the share to mean anything.
    if report.episodes == 0 or (report.is_finished and report.num_left_out > max_bad_share * num_samples):
        _stop_for_bad_share(adapter, log, max_bad_share, out)
    log.save()
    writer.finish()
    return report


def chunks_of(words: tuple[Words, ...], chunk_frames: int) -> tuple[Chunk, ...]:
    """Cuts frames 1 to the last into chunks, each of which ends where the words change, or after `chunk_frames`.

    >>> chunks_of((Words("go"), Words("go"), Words("go"), Words("stay")), 2)
    (Chunk(action='go', verb='', start_frame=1, num_frames=2),
     Chunk(action='go', verb='', start_frame=3, num_frames=1),
     Chunk(action='stay', verb='', start_frame=4, num_frames=1))
    """
    chunks: list[Chunk] = []
    start = 0
    for index in range(1, len(words) + 1):
        if index == len(words) or words[index] != words[start] or index - start == chunk_frames:
            chunks.append(Chunk(words[start].action, words[start].verb, 1 + start, index - start))
            start = index
    return tuple(chunks)


def _tidy(out: Path) -> None:
    """Removes the files of an import that found nothing to use."""
    report = out / REPORT_FILE
    if report.is_file() and not (out / DATASET_FILE).exists() and is_report(report):
        report.unlink()
        (out / FINDINGS_FILE).unlink(missing_ok=True)


def _remaining(adapter: Adapter, report: ImportReport, limit: int | None, out: Path) -> Iterator[Recipe | Finding]:
    """Yields the remaining samples; counts finished recordings in `report`, and notes there when none are left.

    Raises:
        UserError: the source's finished recordings have changed.
    """
    if report.is_finished:
        return
    for number, recording in enumerate(adapter.recordings()):
        if number < report.recordings_done:
            if number == report.recordings_done - 1 and printable(recording.name) != report.last_recording:
                raise UserError(
                    f"the source has changed: recording {report.recordings_done} was {report.last_recording} and is "
                    f"{printable(recording.name)} now; import into another folder than {out}"
                )
            continue
        num_skipped = report.samples_done
        for index, sample in enumerate(_samples(recording)):
            if index < num_skipped:
                continue
            if limit is not None and report.episodes >= limit:
                return
            yield sample
        report.recordings_done, report.samples_done = number + 1, 0
        report.last_recording = printable(recording.name)
    report.is_finished = True


def _samples(recording: Recording) -> Iterator[Recipe | Finding]:
    """Yields the samples of a recording; an error that its adapter raises becomes a finding."""
    try:
        yield from recording.samples()
    except UnusableError as error:
        yield Finding(recording.name, error.reason, error.message)
    except UserError as error:
        yield Finding(recording.name, "broken-file", str(error))


def _episode(
    recipe: Recipe, settings: ImportSettings, world: str, licence: str, report: Callable[[Finding], None]
) -> Episode | None:
    """Decodes an episode, shortened where the rest is broken; returns None where too little is left."""
    num_frames = len(recipe.words) + 1
    shortened = {}
    try:
        frames = recipe.decode()
    except UnusableError as error:
        ends = [end for end in recipe.ends if 2 <= end <= len(error.frames)]
        message = f"{error.message}; its first {ends[-1]} of {num_frames} frames are used" if ends else error.message
        report(Finding(recipe.name, error.reason, message, lost=not ends))
        if not ends:
            return None
        frames = np.stack(error.frames[: ends[-1]])
        shortened = {_SHORTENED: num_frames}
        num_frames = len(frames)
    metadata: dict[str, Any] = {
        "world": world,
        "split": settings.split,
        "scene": printable(recipe.scene),
        "script": "recorded",
        "licence": licence,
        "source": printable(recipe.name),
        **({} if settings.fov is None else {"fov_degrees": settings.fov}),
        **recipe.metadata,
        **shortened,
    }
    poses = None if recipe.poses is None else recipe.poses[:num_frames]
    chunks = chunks_of(recipe.words[: num_frames - 1], settings.chunk_frames)
    return Episode(frames, chunks, poses, settings.fps, metadata)


def _creation(adapter: Adapter, settings: ImportSettings, lossless: bool) -> dict[str, Any]:
    """Returns the settings that must be equal for an import to be resumed."""
    kept = {"size", "fps", "chunk_frames", "episode_frames", "licence", "camera", "source_fps", "fov"}
    options = {name: value for name, value in asdict(settings).items() if name in kept and value}
    if not isinstance(settings.size, int):
        options["size"] = "x".join(map(str, settings.size))
    return {"tables": _hash_of(adapter.index_files()), **options, "lossless": lossless}


def _hash_of(files: list[Path]) -> str:
    digest, num_read = hashlib.sha256(), 0
    for path in files:
        try:
            size = path.stat().st_size
            digest.update(json.dumps([path.name, size]).encode())
            if path.is_file() and num_read + size <= _READ_BYTES:
                digest.update(sha256_of_file(path).encode())
                num_read += size
        except OSError:
            continue  # a missing or unreadable file is reported when it is read
    return digest.hexdigest()[:12]


def _name_of_unreported_episode(out: Path, report: ImportReport) -> str | None:
    """Returns the name of the episode that was written just before an import died, if its report lacks one.

    Raises:
        UserError: the report and the episodes differ by more than that.
    """
    num_present = len(episode_numbers(out))
    if num_present == report.episodes:
        return None
    if num_present != report.episodes + 1:
        raise UserError(
            f"{out} holds {num_present} episodes, its {REPORT_FILE} counts {report.episodes}; use a new folder"
        )
    return str(read_header(episode_folder(out, num_present - 1)).metadata.get("source"))


def _stop_for_bad_share(adapter: Adapter, log: ReportLog, max_bad_share: float, out: Path) -> None:
    """Raises UserError with the most frequent finding."""
    report = log.report
    if report.num_left_out == 0:
        table = next(iter(adapter.index_files()), "it")
        raise UserError(f"the source holds nothing to import; check that {table} and its files are complete")
    log.save()
    reason, tally = max(report.left_out.items(), key=lambda item: item[1].count)
    first = tally.first[0]
    num_samples = report.episodes + report.num_left_out
    allowed = (
        "so there is nothing to use"
        if report.episodes == 0 and report.is_finished
        else f"more than the share of {max_bad_share:g}; fix the source and import it into a new folder, or allow "
        "more with --max-bad-share"
    )
    so_far = "" if report.is_finished else " so far"
    raise UserError(
        f"{report.num_left_out} of {num_samples} samples{so_far} cannot be used, {allowed}; most often: {reason}, "
        f"first {first['name']}: {first['message']} (all in {out / FINDINGS_FILE})"
    )
