"""Comparisons beside the standard one, each a list of arms for the suite: isolation, another domain, ablations."""

from collections.abc import Mapping

from slowfast_bench.variants import Arm, foreign_memory_arm, frozen_arm, memory_arm
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
from slowfast_vgen.models.denoiser import DenoiserModule
from slowfast_vgen.rollout import WorldModel

LEARNING_RATE = 3e-4
"""Of the ablations' base: the rate at which eq. 3 keeps most of the palette (docs/decisions/0004)."""


def isolation_arms(world: WorldModel, before: DenoiserModule | None) -> list[Arm]:
    """Is the gain due to the memory, and not to the architecture or to more training?

    The memory; none on the same weights; the memory of another episode; and the slow weights before the loop, alone.

    Raises:
        UserError: a world without a ridge memory.
    """
    shipped = world.shipped_memory
    if shipped.ridge is None:
        raise UserError(f"the world {world.model.config.name!r} has no ridge memory whose share could be told")
    arms = [
        memory_arm("memory", "memory", world, shipped),
        memory_arm("no_memory", "same weights, no memory", world, None),
        foreign_memory_arm(world, MemoryConfig(ridge=shipped.ridge)),
    ]
    if before is not None:
        alone = world.with_parts(before.to(world.device).eval().requires_grad_(False))
        arms.append(memory_arm("slow_alone", "slow weights before the loop", alone, None))
    return arms


def crossdomain_arms(world: WorldModel) -> list[Arm]:
    """Does fast learning adapt a world to a domain that it never saw? With none, and with each of its kinds.

    Raises:
        UserError: a world without a ridge memory.
    """
    ridge = world.shipped_memory.ridge
    if ridge is None:
        raise UserError(f"the world {world.model.config.name!r} has no ridge memory to take to another domain")
    eq3 = ablation_configs()["eq3"][1]
    return [
        memory_arm("memory", "ridge rule (shipped)", world, MemoryConfig(ridge=ridge)),
        memory_arm("no_memory", "no fast learning", world, None),
        frozen_arm(world),
        memory_arm("eq3", "eq. 3", world, MemoryConfig(lora=eq3)),
        memory_arm("memory_and_eq3", "ridge rule and eq. 3", world, MemoryConfig(ridge, eq3)),
    ]


def ablation_configs() -> Mapping[str, tuple[str, FastLearningConfig]]:
    """Eq. 3 with one setting changed at a time: name -> label and settings."""
    rate = LEARNING_RATE

    def learning(
        rank: int = 32, layers: tuple[str, ...] = LoraConfig().layers, **changed: object
    ) -> FastLearningConfig:
        settings = {"learning_rate": rate, "rewind_chunks": 0} | changed
        return FastLearningConfig(LoraConfig(rank, layers=layers), **settings)  # type: ignore[arg-type]

    return {
        "eq3": ("eq. 3", learning()),
        "original_update": ("original Temp-LoRA update", learning(rule="denoising-original")),
        "no_local_rule": ("windows from the whole past", learning(rule="replay")),
        "rank_8": ("rank 8", learning(rank=8)),
        "rank_128": ("rank 128", learning(rank=128)),
        "rate_1e_4": ("learning rate 1e-4 (the paper's)", learning(learning_rate=1e-4)),
        "rate_1e_3": ("learning rate 1e-3", learning(learning_rate=1e-3)),
        "updates_4": ("4 updates a chunk", learning(updates_per_chunk=4)),
        "attention_only": ("attention layers only", learning(layers=("qkv", "out"))),
        "mlp_only": ("MLP layers only", learning(layers=("mlp_in", "mlp_out"))),
        "sgd": ("SGD at 0.9", learning(optimizer="sgd", learning_rate=0.9)),
        "independent_noise": ("a noise level a frame", learning(independent_noise=True)),
    }


def ablation_arms(world: WorldModel) -> list[Arm]:
    """The paper's four ablations and the settings of fast learning, on one world's slow weights."""
    arms = [
        memory_arm(name, label, world, MemoryConfig(lora=each)) for name, (label, each) in ablation_configs().items()
    ]
    short = world.with_parts(num_past_frames=1)
    arms.append(
        memory_arm("single_frame_past", "one past frame", short, MemoryConfig(lora=ablation_configs()["eq3"][1]))
    )
    arms.append(memory_arm("no_memory", "no memory", world, None))
    if world.shipped_memory.ridge is not None:
        arms.append(memory_arm("ridge", "ridge rule (shipped)", world, MemoryConfig(ridge=world.shipped_memory.ridge)))
    return arms
