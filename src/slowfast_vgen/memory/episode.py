"""An episode's memory as one object: what the local rule holds, what gradients have learned, or both."""

from pathlib import Path
from typing import Any

import torch

from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.fast_learning import LoraMemory
from slowfast_vgen.memory.local_learner import LocalLearner, LocalMemory
from slowfast_vgen.memory.store import SavedMemory, read_memory, restore_local, restore_lora, write_memory


class EpisodeMemory:
    """The fast weights of an episode, or of several side by side (then only what every one of them can do).

    It belongs to the slow weights that it was learned on, and its size stays the same however long the episode.
    """

    def __init__(
        self,
        config: MemoryConfig,
        base_fingerprint: str,
        local: LocalMemory | None,
        lora: LoraMemory | None,
        local_learner: LocalLearner | None,
    ) -> None:
        self.config, self.base_fingerprint = config, base_fingerprint
        self.local, self.lora, self._local_learner = local, lora, local_learner

    @property
    def num_chunks(self) -> int:
        """Chunks that it was made of."""
        return self.local.num_chunks if self.local is not None else self._lora.num_chunks

    @property
    def _lora(self) -> LoraMemory:
        assert self.lora is not None, "a memory has at least one part"
        return self.lora

    @property
    def rollbacks(self) -> list[int]:
        """How often each episode's LoRA was found diverging and taken back."""
        return [0] * (self.local.num_episodes if self.local else 1) if self.lora is None else self.lora.rollbacks

    def begin_again(self) -> None:
        """Stands where the episode began, with all that it remembers, before the start image of another session."""
        if self.local is not None:
            self.local.begin_again()

    def num_bytes(self) -> int:
        """What the fast weights take."""
        return sum(part.num_bytes() for part in (self.local, self.lora) if part is not None)

    def fork(self) -> "EpisodeMemory":
        """An independent copy."""
        local = None if self.local is None else self.local.fork()
        lora = None if self.lora is None else self.lora.fork()
        return EpisodeMemory(self.config, self.base_fingerprint, local, lora, self._local_learner)

    def rewind(self, chunks: int) -> None:
        """Forgets the latest `chunks` chunks, and where they led. `Session.rewind` takes the whole session back.

        Raises:
            UserError: further than the memory goes back; nothing is changed then.
        """
        if chunks < 0:
            raise UserError(f"a memory is rewound by 0 chunks or more, got {chunks}")
        if self.lora is not None:
            self.lora.check_rewind(chunks)
        if self.local is not None:
            self._learner.rewind(self.local, chunks)
        if self.lora is not None:
            self.lora.rewind(chunks)

    def forget(self, first_chunk: int, stop_chunk: int) -> None:
        """Forgets what chunks `first_chunk` to `stop_chunk - 1` (from 0) showed, and keeps all else.

        Raises:
            UserError: a memory learned by gradients, which cannot take single chunks out; or chunks it does not hold.
        """
        if self.lora is not None or self.local is None:
            raise UserError(
                "a memory learned by gradients cannot take single chunks out; rewind it, or use the local rule alone"
            )
        self._learner.forget(self.local, first_chunk, stop_chunk)

    def merge(self, other: "EpisodeMemory") -> None:
        """Adds what another episode's memory knows. Where they are local, both episodes must begin at one place.

        Raises:
            UserError: memories of other weights, rules or sizes; nothing is changed then.
        """
        if other.base_fingerprint != self.base_fingerprint:
            raise UserError("only memories of the same weights can be merged")
        if (self.local is None) != (other.local is None) or (self.lora is None) != (other.lora is None):
            raise UserError("only memories written by the same rules can be merged")
        if self.lora is not None and other.lora is not None:
            self.lora.check_merge(other.lora)
        if self.local is not None and other.local is not None:
            self._learner.merge(self.local, other.local)
        if self.lora is not None and other.lora is not None:
            self.lora.merge(other.lora)

    def describe(self) -> dict[str, Any]:
        """What it is and holds, as JSON values."""
        told: dict[str, Any] = {"base_sha256": self.base_fingerprint, "chunks": self.num_chunks}
        if self.local is not None:
            gram = self.local.state.gram
            spread = torch.linalg.eigvalsh(gram[0].double()).clamp(min=0)
            told["local"] = {
                "rule": self.local.config.rule,
                "megabytes": self.local.num_bytes() / 2**20 / self.local.num_episodes,
                "key_width": gram.shape[1],
                "value_width": self.local.state.cross.shape[2],
                "directions_in_use": float((spread / (spread + self.local.config.ridge)).sum()),
                "entries_written": float(spread.sum()),
                "pose_steps_and_degrees": [
                    float(self.local.pose[0, 0]),
                    float(self.local.pose[0, 1]),
                    float(self.local.pose[0, 2].rad2deg()),
                ],
                "chunks_in_journal": len(self.local.journal),
            }
        if self.lora is not None:
            told["lora"] = {
                "rule": self.lora.config.rule,
                "megabytes": self.lora.num_bytes() / 2**20 / len(self.lora.seeds),
                "rank": self.lora.config.lora.rank,
                "layers": len(self.lora.factors),
                "norm": self.lora.norm(),
                "rollbacks": self.lora.rollbacks[0],
            }
        return told

    def save(self, folder: str | Path, world: str = "") -> None:
        """Writes the memory atomically: safetensors and JSON with checksums, the LoRA in PEFT's layout.

        Raises:
            UserError: the folder cannot be written, or holds something that is no memory.
        """
        write_memory(Path(folder), SavedMemory(world, self.base_fingerprint, self.config, self.local, self.lora))

    def load(self, folder: str | Path) -> None:
        """Becomes what `save` wrote, in place.

        Raises:
            UserError: no memory there, damaged files, or one of other weights or rules; nothing is changed then.
        """
        folder = Path(folder)
        header, tensors = read_memory(folder, self.base_fingerprint)
        config = MemoryConfig.from_json(header["config"])
        if config != self.config:
            raise UserError(
                f"the memory in {folder} was written with other settings than this session's; start the session with "
                "the same ones"
            )
        local = None if self.local is None else restore_local(folder, header, tensors, self._learner.fresh(1))
        lora = None if self.lora is None else restore_lora(folder, header, tensors, self.lora.fresh_like())
        self.local, self.lora = local, lora

    @property
    def _learner(self) -> LocalLearner:
        assert self._local_learner is not None
        return self._local_learner
