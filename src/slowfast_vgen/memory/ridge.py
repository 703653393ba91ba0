"""Fast learning by a ridge rule: a linear map from addresses to content, written by ridge regression, chunk by chunk.

The fast weight `S` maps an address `k` to the content `v` of a patch column. Writing is local: `C += w k k^T`,
`D += w k v^T`; then `S = (C + ridge I)^-1 D` is the least-squares fit to all that was written (the layer of MesaNet,
arXiv 2506.05233, made the memory of an episode). The paper calls TEMP-LoRA a local learning rule (3.5); here no
gradient is needed. The pair (C, D) has a constant size and is additive: memories merge by adding, and a chunk is
forgotten by subtracting it.
"""

import copy
import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.given import real, whole

Keys = Float[Tensor, "episodes entries key_width"]
Values = Float[Tensor, "episodes entries value_width"]


@dataclass(frozen=True)
class RidgeConfig:
    """Settings for writing and reading the ridge memory."""

    rule: Literal["least-squares", "delta"] = "least-squares"
    """Rule of writing. `delta` (DeltaNet, arXiv 2406.06484) corrects `S` by its error on each chunk, instead of fitting
    it to all chunks again: the latest write counts most. `C` then only gives the novelty."""
    ridge: float = 0.05
    """Addition to the diagonal of `C`: the larger, the smoother and the less exact the recall."""
    familiar: float = 0.15
    """Novelty below which a place counts as known and is written with the weight (novelty / familiar)^2, so that
    generated views of a place do not overwrite what was first seen there."""
    forgetting: float = 0.0
    """Share of the memory that decays with each chunk; 0 keeps everything."""
    journal_chunks: int = 128
    """Number of latest chunks that are kept as they were written, so that `forget` and `rewind` can remove them."""

    def __post_init__(self) -> None:
        if self.rule not in ("least-squares", "delta"):
            raise UserError(f"unknown ridge rule {self.rule!r}; choose least-squares or delta")
        real(self.ridge, "the ridge of a ridge memory must be above 0", math.ulp(0.0))
        real(self.forgetting, "forgetting must lie in [0, 1)", 0, math.nextafter(1, 0))
        real(self.familiar, "the novelty below which a place is known must lie in [0, 1]", 0, 1)
        whole(self.journal_chunks, "a ridge memory's journal holds at least 1 chunk", 1)


class RidgeState:
    """The fast weights of a batch of episodes: `gram` is `C`; `cross` is `D`, or with the delta rule `S` itself.

    Every change makes new tensors, so a shallow copy of a state stays what it was.
    """

    def __init__(
        self,
        episodes: int,
        key_width: int,
        value_width: int,
        config: RidgeConfig,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config = config
        self.gram = torch.zeros(episodes, key_width, key_width, device=device, dtype=dtype)
        self.cross = torch.zeros(episodes, key_width, value_width, device=device, dtype=dtype)

    def empty(self, dtype: torch.dtype | None = None) -> "RidgeState":
        """An empty state of the same sizes on the same device."""
        gram, cross = self.gram, self.cross
        return RidgeState(len(cross), cross.shape[1], cross.shape[2], self.config, cross.device, dtype or gram.dtype)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "RidgeState":
        """A copy on another device, or in another precision."""
        moved = copy.copy(self)
        moved.gram, moved.cross = self.gram.to(device, dtype), self.cross.to(device, dtype)
        return moved

    def rows(self, rows: slice) -> "RidgeState":
        """The state of some of the episodes."""
        part = copy.copy(self)
        part.gram, part.cross = self.gram[rows], self.cross[rows]
        return part

    def with_rows(self, rows: slice, other: "RidgeState") -> "RidgeState":
        """A copy with the state of some of the episodes replaced."""
        whole = copy.copy(self)
        whole.gram, whole.cross = with_rows(self.gram, rows, other.gram), with_rows(self.cross, rows, other.cross)
        return whole

    def plus(self, other: "RidgeState") -> "RidgeState":
        """The sum of both states (least squares only)."""
        total = copy.copy(self)
        total.gram, total.cross = self.gram + other.gram.to(self.gram), self.cross + other.cross.to(self.cross)
        return total

    def less(self, other: "RidgeState") -> "RidgeState":
        """This state minus another one (least squares only)."""
        rest = copy.copy(self)
        rest.gram, rest.cross = self.gram - other.gram, self.cross - other.cross
        return rest

    def factor(self) -> Float[Tensor, "episodes key_width key_width"]:
        """The Cholesky factor of `C + ridge I`, one solve for all reads until the next write."""
        regular = self.gram.clone()
        regular.diagonal(dim1=1, dim2=2).add_(self.config.ridge)
        return torch.linalg.cholesky(regular)

    def novelty(self, factor: Tensor, queries: Keys) -> Float[Tensor, "episodes queries"]:
        """`ridge q^T (C + ridge I)^-1 q`: 1 for an address unlike all that were written, towards 0 for a known one."""
        explained = torch.linalg.solve_triangular(factor, queries.mT, upper=False)
        return self.config.ridge * explained.square().sum(1)

    def read(self, factor: Tensor, queries: Keys) -> tuple[Values, Float[Tensor, "episodes queries"]]:
        """Content at each address, and its novelty."""
        solved = torch.cholesky_solve(queries.mT, factor).mT
        novelty = self.config.ridge * (solved * queries).sum(-1)
        if self.config.rule == "delta":
            return queries @ self.cross, novelty
        return solved @ self.cross, novelty

    def write_weights(self, novelty: Float[Tensor, "episodes entries"]) -> Float[Tensor, "episodes entries"]:
        """Weights of new entries by their novelty."""
        if self.config.familiar == 0:
            return torch.ones_like(novelty)
        return (novelty / self.config.familiar).clamp(max=1).square()

    def write(self, factor: Tensor, keys: Keys, values: Values) -> Float[Tensor, "episodes entries"]:
        """Writes one chunk's entries and returns their weights; `factor` is that of the state before."""
        weights = self.write_weights(self.novelty(factor, keys))
        self.decay()
        self.add(keys, values, weights)
        return weights

    def decay(self, times: int = 1) -> None:
        """Decays the state as `times` chunks do."""
        if self.config.forgetting:
            for _ in range(times):
                self.gram = self.gram * (1 - self.config.forgetting)
                self.cross = self.cross * (1 - self.config.forgetting)

    def add(self, keys: Keys, values: Values, weights: Float[Tensor, "episodes entries"]) -> None:
        """Adds entries of given weights, as `write` does; by the delta rule, corrects `S` by them."""
        keys, values, weights = (each.to(self.gram) for each in (keys, values, weights))
        weighted = keys * weights[..., None]
        if self.config.rule == "delta":
            error = values - keys @ self.cross
            ridge = self.config.ridge * torch.eye(keys.shape[1], device=keys.device, dtype=keys.dtype)
            inner = keys @ keys.mT * weights[..., None] + ridge
            self.cross = self.cross + keys.mT @ torch.linalg.solve(inner, weights[..., None] * error)
        else:
            self.cross = torch.baddbmm(self.cross, weighted.mT, values)
        self.gram = torch.baddbmm(self.gram, weighted.mT, keys)


def with_rows(whole: Tensor, rows: slice, part: Tensor) -> Tensor:
    """A copy of a tensor with some of its rows replaced."""
    made = whole.clone()
    made[rows] = part
    return made


def exact_dtype(device: torch.device) -> torch.dtype:
    """Precision of sums over a whole journal: float64, except on devices that have none (Apple's)."""
    return torch.float32 if device.type == "mps" else torch.float64


def familiar_weights(
    keys: Keys, entry_chunk: Int64[Tensor, " entries"], ridge: float, familiar: float
) -> Float[Tensor, "episodes entries"]:
    """Weight of each entry of a whole episode, as `RidgeState.write_weights` would give it chunk by chunk."""
    weights = torch.ones(keys.shape[:2], dtype=keys.dtype, device=keys.device)
    for number in range(1, int(entry_chunk.max()) + 1):
        now = entry_chunk == number
        own, earlier = keys[:, now], (keys * weights[..., None].sqrt())[:, entry_chunk < number]
        regular = earlier @ earlier.mT
        regular.diagonal(dim1=1, dim2=2).add_(ridge)
        explained = torch.linalg.solve_triangular(torch.linalg.cholesky(regular), earlier @ own.mT, upper=False)
        novelty = own.square().sum(-1) - explained.square().sum(1)
        weights[:, now] = (novelty / familiar).clamp(0, 1).square()
    return weights


def causal_reading(
    keys: Keys,
    queries: Float[Tensor, "episodes queries key_width"],
    entry_chunk: Int64[Tensor, " entries"],
    query_chunk: Int64[Tensor, " queries"],
    ridge: float,
) -> tuple[Float[Tensor, "episodes queries entries"], Float[Tensor, "episodes queries"]]:
    """Reads a whole episode at once: `read = weights @ values`, and the novelty of each query.

    Entries come chunk by chunk, and a query of chunk `i` sees those of chunks up to `i`. In the dual form one Cholesky
    factor of the kernel matrix serves all chunks, its leading blocks being the factors of the earlier memories; so the
    unroll of the slow-fast loop needs no step by step recursion. Equal to `RidgeState` with weights of 1.
    """
    regular = keys @ keys.mT
    regular.diagonal(dim1=1, dim2=2).add_(ridge)
    factor = torch.linalg.cholesky(regular)
    seen: Bool[Tensor, "entries queries"] = entry_chunk[:, None] <= query_chunk[None, :]
    cross = torch.linalg.solve_triangular(factor, keys @ queries.mT, upper=False) * seen
    novelty = 1 - cross.square().sum(1)
    # weights = cross^T L^-1, that is L^T w = cross; masked rows of `cross` are zero, so no later entry is used.
    return torch.linalg.solve_triangular(factor.mT, cross, upper=True).mT, novelty.clamp(min=0)
