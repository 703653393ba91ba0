"""The memory that gradients write (TEMP-LoRA, paper 3.3), as one of an episode's `FastWeights`."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.fast_learning import FastLearner
from slowfast_vgen.memory.fast_weights import Chunk, Host, Start
from slowfast_vgen.memory.lora import Factors
from slowfast_vgen.memory.lora_weights import LoraWeights
from slowfast_vgen.memory.settings import FastLearningConfig
from slowfast_vgen.memory.sharing import sharing_weights
from slowfast_vgen.models.denoiser import DenoiserModule
from slowfast_vgen.models.text import TextEmbedding
from slowfast_vgen.tensors import check_moments

EARLIER = "lora_earlier"
"""Prefix of the states on disk that a memory can be rewound to."""


class LoraMemory:
    """The fast weights that episodes learn by gradients; see `FastWeights`.

    It acts on a denoiser of its own over the world's weights (`sharing_weights`), made when it is first needed.
    """

    kind: ClassVar[str] = "lora"
    config_class: ClassVar[type[Any]] = FastLearningConfig

    def __init__(self, host: Host, config: FastLearningConfig, weights: LoraWeights) -> None:
        self.host, self.config, self.weights = host, config, weights
        self.needs_actions = config.rule == "denoising-original"
        self._earlier: tuple[LoraWeights, ...] = ()
        """The weights before each of the latest chunks; they are never written to."""
        self._learner: FastLearner | None = None

    @classmethod
    def fresh(cls, host: Host, config: FastLearningConfig, seeds: Sequence[int]) -> Self:
        """Makes empty memories, a random down-projection for each seed.

        Raises:
            UserError: the denoiser has none of the layers.
        """
        learner = FastLearner(host.denoiser, host.noising, host.null_text, config, host.precision)
        return cls(host, learner.config, learner.fresh(seeds))

    def empty(self) -> Self:
        """A memory of the same shapes and settings that holds nothing."""
        return type(self)(self.host, self.config, self.weights.empty())

    @property
    def learner(self) -> FastLearner:
        """The learner, on a denoiser that no other thread runs."""
        if self._learner is None:
            host = self.host
            own = sharing_weights(host.denoiser)
            self._learner = FastLearner(own, host.noising, host.null_text, self.config, host.precision)
        return self._learner

    @property
    def num_episodes(self) -> int:
        """Number of episodes in the batch."""
        return len(self.weights.seeds)

    @property
    def num_chunks(self) -> int:
        """Number of chunks learned from."""
        return self.weights.num_chunks

    @property
    def factors(self) -> dict[str, Factors]:
        """Down-projection and up-projection of each layer."""
        return self.weights.factors

    @property
    def rollbacks(self) -> list[int]:
        """Number of times that each episode's memory was found diverging and rolled back."""
        return self.weights.rollbacks

    def begin_again(self) -> None:
        """Does nothing: a LoRA has no pose."""

    def begin(self, start: Start) -> None:
        """Does nothing: a start image alone teaches nothing."""

    def recall(self, text: TextEmbedding, num_frames: int) -> None:
        """Gives None: a LoRA is applied and not read."""

    @contextmanager
    def applied(self, denoiser: DenoiserModule) -> Iterator[DenoiserModule]:
        """Yields a denoiser of its own with the memory: merged for one episode, batched for several."""
        if self.num_chunks == 0:
            yield denoiser  # the up-projections are still zero
            return
        try:
            with self.learner.applied(self.weights):
                yield self.learner.denoiser
        except BaseException:
            self._learner = None  # an interrupt may have left it half restored
            raise

    def write(self, chunk: Chunk) -> None:
        """Learns from one chunk; with `rewind_chunks` the weights before it are kept."""
        weights, window = self.weights.copy(), torch.cat([chunk.before, chunk.new], dim=1)
        self.learner.learn(weights, window, chunk.before.shape[1], chunk.text)
        keep = self.config.rewind_chunks
        self._earlier = (*self._earlier, self.weights)[-keep:] if keep else ()
        self.weights = weights

    def snapshot(self) -> Any:
        """A state for `restore` to return to; weights are replaced after learning, not written into."""
        return {"weights": self.weights, "_earlier": self._earlier}

    def restore(self, snapshot: Any) -> None:
        """Returns to a snapshot; hooks that an interrupted learning left are dropped together with their denoiser."""
        self.__dict__.update(snapshot | {"_learner": None})

    def fork(self) -> Self:
        """An independent copy, with a denoiser of its own."""
        other = copy.copy(self)
        other.weights, other._learner = self.weights.copy(), None
        return other

    def check_rewind(self, chunks: int) -> None:
        """Raises `UserError` for more chunks than are kept."""
        if chunks > len(self._earlier):
            raise UserError(
                f"this memory can be rewound by {len(self._earlier)} chunks, not {chunks}: a memory learned by "
                "gradients keeps its latest states only (rewind_chunks)"
            )

    def rewind(self, chunks: int) -> None:
        """Returns to the state before it learned the latest `chunks` chunks, bit for bit."""
        self.check_rewind(chunks)
        if chunks:
            self.weights, self._earlier = self._earlier[-chunks], self._earlier[:-chunks]

    def forget(self, first: int, stop: int) -> None:
        """Refuses: gradients of single chunks cannot be separated.

        Raises:
            UserError: always.
        """
        raise UserError(
            "a memory learned by gradients cannot take single chunks out; rewind it, or use the ridge rule alone"
        )

    def check_merge(self, other: Self) -> None:
        """Raises `UserError` for a memory of another rank or scale, or on other layers."""
        mine, theirs = ({name: down.shape for name, (down, _) in memory.factors.items()} for memory in (self, other))
        if mine != theirs or self.config.lora.scale != other.config.lora.scale:
            raise UserError("memories can be merged where they sit on the same layers with the same rank and scale")

    def merge(self, other: Self) -> None:
        """Takes over what another memory learned, as well as its rank allows; it cannot be rewound to before that."""
        self.check_merge(other)
        weights = self.weights.copy()
        weights.add(other.weights)
        self.weights, self._earlier = weights, ()

    def describe(self) -> dict[str, Any]:
        """Description of the first episode's memory, as JSON values."""
        return {
            "rule": self.config.rule,
            "megabytes": self.num_bytes() / 2**20 / len(self.weights.seeds),
            "rank": self.config.lora.rank,
            "layers": len(self.factors),
            "norm": self.weights.norm(),
            "rollbacks": self.rollbacks[0],
        }

    def num_bytes(self) -> int:
        """Size of the fast weights in bytes, without the optimiser's moments."""
        return self.weights.num_bytes()

    def tensors(self) -> dict[str, Tensor]:
        """Tensors to save: the factors under peft's names of their kinds, and states to rewind to by their place."""
        tensors = _tensors_of(self.weights)
        for place, weights in enumerate(self._earlier):
            tensors |= {f"{EARLIER}/{place}/{name}": value for name, value in _tensors_of(weights).items()}
        return tensors

    def counts(self) -> dict[str, Any]:
        """The numbers to save with `tensors`, as JSON values."""
        return _counts_of(self.weights) | {EARLIER: [_counts_of(weights) for weights in self._earlier]}

    def fill(self, tensors: Mapping[str, Tensor], counts: Mapping[str, Any]) -> None:
        """Fills an empty memory; the optimiser continues as it would have. Older files have no states to rewind to."""
        weights, earlier = self._filled(tensors, counts), []
        rows = counts.get(EARLIER, [])
        if len(rows) > self.config.rewind_chunks:
            raise ValueError(f"it has {len(rows)} states to rewind to, and its settings {self.config.rewind_chunks}")
        for place, row in enumerate(rows):
            prefix = f"{EARLIER}/{place}/"
            own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            earlier.append(self._filled(own, row))
            if earlier[-1].num_chunks != weights.num_chunks - len(rows) + place:
                raise ValueError(f"its states to rewind to do not lead to its {weights.num_chunks} chunks")
        self.weights, self._earlier = weights, tuple(earlier)

    def _filled(self, tensors: Mapping[str, Tensor], counts: Mapping[str, Any]) -> LoraWeights:
        """The weights of one saved state."""
        weights = self.weights.empty()
        expected: dict[str, Tensor] = {}
        for name, (down, up) in weights.factors.items():
            expected |= {f"lora_A/{name}": down.data[0], f"lora_B/{name}": up.data[0]}
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if match := re.fullmatch(r"optimizer/(\d{1,9})/(\w+)", key):
                state.setdefault(int(match[1]), {})[match[2]] = value
        for key, target in expected.items():
            if tensors[key].shape != target.shape:
                raise ValueError(f"{key} has the shape {list(tensors[key].shape)}, not {list(target.shape)}")
        check_moments(state, weights.parameters)
        for key, target in expected.items():
            target.copy_(tensors[key])
        groups = weights.optimizer.state_dict()["param_groups"]
        weights.optimizer.load_state_dict({"state": state, "param_groups": groups})
        weights.num_chunks = int(counts["lora_chunks"])
        weights.times_rolled_back += int(counts["rollbacks"])
        weights.seeds = (int(counts["seed"]),)
        if min(weights.num_chunks, int(counts["rollbacks"]), *weights.seeds) < 0 or max(weights.seeds) >= 2**31:
            raise ValueError("its counts or its seed are out of range")
        names = sorted((name for name in tensors if name.startswith("replay/")), key=lambda name: int(name[7:]))
        for name in names:
            one = tensors[name]
            if one.dim() != 5 or len(one) != 1 or tuple(one.shape[2:]) != self.host.latent_shape:
                raise ValueError(f"{name} has the shape {list(one.shape)}, which no window has")
        weights.replay = [tensors[name].to(self.host.device, torch.float32) for name in names]
        return weights

    def to(self, device: torch.device | str) -> None:
        """Moves all that the memory holds to a device."""
        self.weights, self._earlier = self.weights.to(device), tuple(weights.to(device) for weights in self._earlier)


def _tensors_of(weights: LoraWeights) -> dict[str, Tensor]:
    """Tensors to save for one state."""
    tensors: dict[str, Tensor] = {}
    for name, (down, up) in weights.factors.items():
        tensors |= {f"lora_A/{name}": down.detach()[0], f"lora_B/{name}": up.detach()[0]}
    tensors |= {f"replay/{index}": window for index, window in enumerate(weights.replay)}
    for index, entries in weights.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in entries.items()}
    return tensors


def _counts_of(weights: LoraWeights) -> dict[str, Any]:
    """The numbers to save with `_tensors_of`."""
    return {"lora_chunks": weights.num_chunks, "rollbacks": weights.rollbacks[0], "seed": weights.seeds[0]}
