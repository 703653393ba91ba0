"""Open X-Embodiment and other RLDS data sets, as TensorFlow Datasets writes them, read without TensorFlow.

Files such as NAME-train.tfrecord-00000-of-00010, each record an episode whose steps are flattened into one `Example`:
`steps/observation/image` (PNG or JPEG), `steps/language_instruction`, `steps/action` and so on.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

from slowfast_vgen.data.adapters.base import (
    SPLIT_NAMES,
    Finding,
    ImportSettings,
    Recipe,
    Recording,
    UnusableError,
    Words,
    frame_times,
    nearest_frames,
    parts,
    step_before,
    words_of,
)
from slowfast_vgen.data.adapters.encoded import decode_images
from slowfast_vgen.data.adapters.places import files_below
from slowfast_vgen.data.adapters.tfrecord import Feature, Place, read_example, read_record, record_places
from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json
from slowfast_vgen.types import Frames

INSTRUCTIONS = (
    "steps/language_instruction",
    "steps/observation/natural_language_instruction",
    "steps/observation/language_instruction",
    "steps/natural_language_instruction",
    "language_instruction",
    "episode_metadata/language_instruction",
)
"""Features in which Open X-Embodiment's sets keep the words; the first one found is taken."""
_MAIN_CAMERA = "steps/observation/image"
_OTHER_VIEWS = ("wrist", "hand", "gripper", "depth", "segmentation")
_SPLIT = re.compile(r"-([^-./]+)\.tfrecord")
_IMAGE_MAGIC = (b"\x89PNG", b"\xff\xd8\xff")


class Rlds:
    """Adapter: the instruction is the action. Steps have no times: each is one frame unless `--source-fps` is given."""

    name: ClassVar[str] = "rlds"
    options: ClassVar[frozenset[str]] = frozenset({"camera", "source_fps"})

    def __init__(self, source: Path, settings: ImportSettings) -> None:
        self._source, self._settings = source, settings
        files = files_below(source, "*.tfrecord*")
        if not files:
            raise UserError(f"{source} holds no .tfrecord files; give the folder of a data set's version")
        named = {path: match[1] for path in files if (match := _SPLIT.search(path.name))}
        splits = {path: SPLIT_NAMES[name] for path, name in named.items() if name in SPLIT_NAMES}
        # Where no name contains a split, the files belong to the requested one.
        self._files = [path for path in files if splits.get(path) == settings.split] if splits else files
        self._of_no_split = [path for path in files if path not in splits] if splits else []
        if not self._files:
            held = ", ".join(sorted(set(splits.values())))
            raise UserError(f"{source} has no split {settings.split!r}; it has {held}")

    @property
    def licence(self) -> str:
        """Licence in dataset_info.json."""
        for path in files_below(self._source, "dataset_info.json"):
            try:
                licence = read_json(path)["redistributionInfo"]["license"]
            except (UserError, KeyError, TypeError):
                continue
            if isinstance(licence, str) and licence.strip():
                return licence.strip()
        return "not stated; see the data set's own page"

    def index_files(self) -> list[Path]:
        """Returns the record files of the split."""
        return list(self._files)

    def _missing_files(self) -> list[Finding]:
        """Returns a finding for each missing file of those numbered -00000-of-00010 and so on."""
        names = {path.relative_to(self._source).as_posix() for path in self._files}
        findings = []
        for name in sorted(names):
            if match := re.fullmatch(r"(.*)-([0-9]{5})-of-([0-9]{5})(\.gz)?", name):
                wanted = {f"{match[1]}-{number:05d}-of-{match[3]}{match[4] or ''}" for number in range(int(match[3]))}
                findings += [Finding(file, "missing-file", "it is not there") for file in sorted(wanted - names)]
                names |= wanted
        return findings

    def _files_of_no_split(self) -> list[Finding]:
        message = f"its name has none of the splits {', '.join(SPLIT_NAMES)}, as others do; it is not read"
        names = [path.relative_to(self._source).as_posix() for path in self._of_no_split]
        return [Finding(name, "unknown-label", message, lost=False) for name in names]

    def recordings(self) -> Iterator[Recording]:
        """Yields one per record; where a file breaks, one that reports it, and last one for the missing files."""
        for path in self._files:
            name = path.relative_to(self._source).as_posix()
            number = 0
            try:
                for number, place in enumerate(record_places(path), start=1):
                    yield Recording(f"{name} record {number}", partial(self._samples, f"{name} record {number}", place))
                if number == 0:
                    raise UnusableError("broken-file", "the file holds no records")
            except UnusableError as error:
                finding = Finding(f"{name} after record {number}", error.reason, error.message)
                yield Recording(finding.name, partial(iter, [finding]))
        if missing := [*self._missing_files(), *self._files_of_no_split()]:
            yield Recording("missing files", partial(iter, missing))

    def _samples(self, name: str, place: Place) -> Iterator[Recipe | Finding]:
        try:
            example = read_example(read_record(place))
            camera = self._camera(example)
            images = example[camera]
            assert isinstance(images, list), "cameras are lists of bytes"
            words = _words(example, len(images))
            fps = self._settings.source_fps or self._settings.fps
            times = frame_times(0.0, (len(images) - 1) / fps, self._settings)
        except UnusableError as error:
            yield Finding(name, error.reason, error.message)
            return
        picks = nearest_frames(times, fps)
        before = step_before(times, fps, len(images))
        for part, first, stop in parts(name, len(times), self._settings):
            yield Recipe(
                name=part,
                scene=f"{self.name} {self._source.resolve().name} {name}",
                words=tuple(words[index] for index in before[first : stop - 1]),
                decode=partial(self._decode, [images[index] for index in picks[first:stop]]),
                metadata={"camera": camera.removeprefix("steps/observation/")},
                ends=range(2, stop - first + 1),
            )

    def _decode(self, images: list[memoryview]) -> Frames:
        return decode_images(images, self._settings.frame_size)

    def _camera(self, example: dict[str, Feature]) -> str:
        """Returns the name of the feature whose images are taken."""
        cameras = sorted(name for name, feature in example.items() if _is_images(feature))
        if wanted := self._settings.camera:
            fitting = [name for name in cameras if name in (wanted, f"steps/observation/{wanted}")]
        elif _MAIN_CAMERA in cameras:
            return _MAIN_CAMERA
        else:
            fitting = [name for name in cameras if not re.search("|".join(_OTHER_VIEWS), name)] or cameras
        if not fitting:
            held = ", ".join(name.removeprefix("steps/observation/") for name in cameras) or "none"
            raise UnusableError("missing-video", f"the record has no images{wanted and f' of {wanted}'}; it has {held}")
        return fitting[0]


def _words(example: dict[str, Feature], num_steps: int) -> list[Words]:
    """Returns the words of each step."""
    for name in INSTRUCTIONS:
        texts = example.get(name)
        if not isinstance(texts, list) or len(texts) not in (1, num_steps):
            continue
        if not all(isinstance(text, memoryview) for text in texts):
            continue
        known: dict[bytes, Words] = {}
        for text in map(bytes, texts):
            if text not in known:
                try:
                    known[text] = words_of(str(text, "utf-8"))
                except UnicodeDecodeError as error:
                    raise UnusableError("no-action", "the instruction is not UTF-8") from error
        words = [known[bytes(text)] for text in texts]
        return words if len(words) == num_steps else words * num_steps
    raise UnusableError("no-action", "the record has no language_instruction, one or one a step")


def _is_images(feature: Feature) -> bool:
    if not isinstance(feature, list) or not all(isinstance(item, memoryview) for item in feature):
        return False  # numbers, or damage
    return bool(feature) and bytes(feature[0][:4]).startswith(_IMAGE_MAGIC)
