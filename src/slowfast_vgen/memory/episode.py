"""An episode's memory as one object: all its kinds of fast weights, called one after the other."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.given import whole
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.fast_weights import Chunk, FastWeights, Host, Start
from slowfast_vgen.memory.lora_memory import LoraMemory
from slowfast_vgen.memory.registry import KINDS
from slowfast_vgen.memory.ridge_memory import RidgeMemory
from slowfast_vgen.memory.store import SavedMemory, read_memory, write_memory
from slowfast_vgen.models.denoiser import DenoiserModule, Recall
from slowfast_vgen.models.text import TextEmbedding

Kind = TypeVar("Kind")


class EpisodeMemory:
    """The fast weights of an episode, or of several batched ones (then with fewer operations).

    It belongs to the slow weights that it was learned on, and its size stays the same however long the episode.
    """

    def __init__(self, config: MemoryConfig, base_fingerprint: str, parts: Sequence[FastWeights]) -> None:
        self.config, self.base_fingerprint = config, base_fingerprint
        self.parts = tuple(parts)
        """Fast weights of each rule, in the order in which they take in a chunk."""
        assert self.parts, "a memory has at least one part"
        self.changes = 0
        """Counter of changes other than by a chunk: each makes what was computed with the memory before invalid."""
        self.is_in_session = False
        """True if a session uses it: both have one state in time, which only the session may rewind."""

    @classmethod
    def fresh(cls, host: Host, config: MemoryConfig, base_fingerprint: str, seeds: Sequence[int]) -> "EpisodeMemory":
        """Makes empty memories, one a seed.

        Raises:
            UserError: one of the rules cannot act in this world.
        """
        parts = [KINDS[name].fresh(host, rule, seeds) for name, rule in config.rules.items()]
        config = MemoryConfig(*(part.config for part in parts))
        return cls(config, base_fingerprint, parts)

    def __repr__(self) -> str:
        rules = [getattr(part.config, "rule", None) for part in self.parts]
        parts = ", ".join(
            f"{part.kind} ({rule})" if rule else part.kind for part, rule in zip(self.parts, rules, strict=True)
        )
        megabytes = self.num_bytes() / 2**20
        return (
            f"<EpisodeMemory: {parts}, {self.num_chunks} chunks, {megabytes:.1f} MB, of {self.base_fingerprint[:12]}>"
        )

    @property
    def ridge(self) -> RidgeMemory | None:
        """The memory of the ridge rule; None where it is none of the rules."""
        return self._part(RidgeMemory)

    @property
    def lora(self) -> LoraMemory | None:
        """The memory that gradients write; None where it is none of the rules."""
        return self._part(LoraMemory)

    def _part(self, kind: type[Kind]) -> Kind | None:
        return next((part for part in self.parts if isinstance(part, kind)), None)

    @property
    def num_chunks(self) -> int:
        """Number of chunks that it was made of."""
        return max(part.num_chunks for part in self.parts)

    @property
    def needs_actions(self) -> bool:
        """True if chunks can only be written together with the actions that they came from."""
        return any(part.needs_actions for part in self.parts)

    @property
    def rollbacks(self) -> list[int]:
        """Number of times that each episode's LoRA was found diverging and rolled back."""
        return [0] * self.num_episodes if self.lora is None else self.lora.rollbacks

    @property
    def num_episodes(self) -> int:
        """Number of batched episodes."""
        return self.parts[0].num_episodes

    def _check_single(self, what: str) -> None:
        if self.num_episodes != 1:
            raise UserError(
                f"a memory {what} by itself, and this is one of {self.num_episodes} batched episodes; run them "
                "one by one"
            )

    def _check_alone(self, done: str, instead: str) -> None:
        if self.is_in_session:
            raise UserError(
                f"a session uses this memory, and would no longer fit it once it is {done} alone; "
                f"{instead}, or change a `session.memory.fork()`"
            )

    # ------------------------------------------------------------------------------------------- generating and writing

    def begin_again(self) -> None:
        """Returns to the episode's start pose with all that it remembers, before another session's start image."""
        for part in self.parts:
            part.begin_again()

    def begin(self, start: Start) -> None:
        """Takes in the start image."""
        for part in self.parts:
            part.begin(start)

    def recall(self, text: TextEmbedding, num_frames: int) -> Recall | None:
        """Recalls what is known of the chunk to come; None where no rule can be read."""
        known = (part.recall(text, num_frames) for part in self.parts)
        return next((recall for recall in known if recall is not None), None)

    @contextmanager
    def applied(self, denoiser: DenoiserModule) -> Iterator[DenoiserModule]:
        """Yields the denoiser with this memory applied; the given denoiser is not changed."""
        with ExitStack() as stack:
            for part in self.parts:
                denoiser = stack.enter_context(part.applied(denoiser))
            yield denoiser

    def write(self, chunk: Chunk) -> None:
        """Learns from a finished chunk."""
        for part in self.parts:
            part.write(chunk)

    # ------------------------------------------------------------------------------------------------------ going back

    def snapshot(self) -> Any:
        """A state for `restore` to return to; it costs next to nothing."""
        return [(part, part.snapshot()) for part in self.parts]

    def restore(self, snapshot: Any) -> None:
        """Returns to the state of a snapshot, whatever was left unfinished since."""
        for part, kept in snapshot:
            part.restore(kept)
        self.parts = tuple(part for part, _ in snapshot)

    def fork(self) -> "EpisodeMemory":
        """An independent copy."""
        return EpisodeMemory(self.config, self.base_fingerprint, [part.fork() for part in self.parts])

    def rewind(self, chunks: int) -> None:
        """Forgets the latest `chunks` chunks and the path along them. `Session.rewind` takes the whole session back.

        Raises:
            UserError: further than the memory goes back, or over chunks of the session that uses it; nothing
                is changed then.
        """
        chunks = whole(chunks, "a memory is rewound by a whole number of chunks")
        if chunks < 0:
            raise UserError(f"a memory is rewound by 0 chunks or more, got {chunks}")
        if chunks >= self._chunks_behind(1):
            self._check_alone("rewound", "take both back by `session.rewind`")
        self._rewind(chunks)

    def _rewind(self, chunks: int) -> None:
        for part in self.parts:
            part.check_rewind(chunks)
        self._each(lambda part, _: part.rewind(chunks))

    def rewind_steps(self, steps: int) -> None:
        """Forgets the latest `steps` chunks of the episode itself, and what was merged in between them.

        Raises:
            UserError: see `rewind`.
        """
        self._rewind(self._chunks_behind(steps))

    def _chunks_behind(self, steps: int) -> int:
        return steps if self.ridge is None else self.ridge.chunks_behind(steps)

    def forget(self, first_chunk: int, stop_chunk: int) -> None:
        """Forgets the content of chunks `first_chunk` to `stop_chunk - 1` (from 0), and keeps all else.

        The result is as if they had never been written: later chunks of the same places count as they would have
        without them. Numbers of chunks stay as they are.

        Raises:
            UserError: a memory learned by gradients, which cannot take single chunks out; or chunks it does not hold.
        """
        first, stop = (whole(each, "chunks have whole numbers") for each in (first_chunk, stop_chunk))
        self._each(lambda part, _: part.forget(first, stop))

    def merge(self, other: "EpisodeMemory") -> None:
        """Adds what another episode's memory knows. Ridge memories must be of episodes that begin at the same place.

        Its chunks get the numbers that follow on this one's: what was its chunk 0 is now chunk `num_chunks`.

        Raises:
            UserError: memories of other weights, rules or sizes; nothing is changed then.
        """
        if not isinstance(other, EpisodeMemory):
            raise UserError(f"a {type(other).__name__} is no memory to merge; give one, such as `session.memory`")
        if other.base_fingerprint != self.base_fingerprint:
            raise UserError("only memories of the same weights can be merged")
        if [part.kind for part in other.parts] != [part.kind for part in self.parts]:
            raise UserError("only memories written by the same rules can be merged")
        if other.num_episodes != self.num_episodes:
            raise UserError(
                f"a memory of {self.num_episodes} episodes side by side cannot take over one of {other.num_episodes}"
            )
        for part, its in zip(self.parts, other.parts, strict=True):
            part.check_merge(its)
        self._each(lambda part, index: part.merge(other.parts[index]))

    def _each(self, change: Callable[[FastWeights, int], None]) -> None:
        """Changes every part, or none where one of them fails."""
        before = self.snapshot()
        self.changes += 1
        try:
            for index, part in enumerate(self.parts):
                change(part, index)
        except BaseException:
            self.restore(before)
            raise

    def num_bytes(self) -> int:
        """Size of the fast weights in bytes."""
        return sum(part.num_bytes() for part in self.parts)

    def describe(self) -> dict[str, Any]:
        """Description of the memory and its content, as JSON values."""
        description: dict[str, Any] = {"base_sha256": self.base_fingerprint, "chunks": self.num_chunks}
        return description | {part.kind: part.describe() for part in sorted(self.parts, key=lambda part: part.kind)}

    def to(self, device: torch.device | str) -> "EpisodeMemory":
        """Moves the memory, in place. A world that continues with it must be on the same device."""
        for part in self.parts:
            part.to(device)
        return self

    # ---------------------------------------------------------------------------------------------------------- on disk

    def save(self, folder: str | Path, world: str = "") -> None:
        """Writes the memory atomically: safetensors and JSON with checksums, the LoRA in PEFT's layout.

        Raises:
            UserError: the folder cannot be written, or holds something that is no memory.
        """
        self._check_single("is saved")
        tensors: dict[str, Tensor] = {}
        counts: dict[str, Any] = {}
        for part in self.parts:
            tensors |= part.tensors()
            counts |= part.counts()
        write_memory(Path(folder), SavedMemory(world, self.base_fingerprint, self.config, counts, tensors))

    def load(self, folder: str | Path) -> None:
        """Becomes what `save` wrote, in place, on the device where it is.

        Raises:
            UserError: no memory there, damaged files, one of other weights or rules, or a session uses this
                one; nothing is changed then.
        """
        self._check_single("becomes a saved one")
        self._check_alone("replaced", "start a session with `world.start(image, memory=world.load_memory(folder))`")
        self.take(read_memory(Path(folder), self.base_fingerprint), Path(folder))

    def take(self, saved: SavedMemory, folder: Path) -> None:
        """Becomes a memory that was read from `folder` already.

        Raises:
            UserError: it does not fit this memory; nothing is changed then.
        """
        self._check_single("becomes a saved one")
        if saved.config != self.config:
            raise UserError(
                f"the memory in {folder} was written with other settings than this session's; start the session with "
                "the same ones"
            )
        parts = [part.empty() for part in self.parts]
        try:
            for part in parts:
                part.fill(saved.tensors, saved.counts)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError, RuntimeError) as error:
            raise UserError(
                f"the memory in {folder} does not fit its own settings ({error!s:.300}); save it again"
            ) from error
        self.parts = tuple(parts)
        self.changes += 1
