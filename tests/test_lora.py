"""LoRA slots: what they add, whose episode it is, and that taking it away leaves no trace."""

import copy
import math
from typing import Any

import pytest
import torch
from tiny import FAMILIES, levels, randn, transformer
from torch import Tensor, nn

from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.lora import Factors, LoraSlots
from slowfast_vgen.memory.settings import LoraConfig
from slowfast_vgen.models.text import TextEncoder

LAYERS = {
    "VideoTransformer": ("qkv", "out", "mlp_in", "mlp_out"),
    "UNet3DDenoiser": ("to_q", "to_k", "to_v", "to_out.0"),
    "WanDenoiser": ("to_q", "to_k", "to_v", "to_out.0"),
}


def learned(slots: LoraSlots, seeds: tuple[int, ...]) -> dict[str, Factors]:
    """Factors as after some learning: each episode's up-projections are random, by its seed."""
    factors = slots.fresh(seeds)
    return {
        name: (down, torch.cat([0.1 * randn(1, *up.shape[1:], seed=100 * seed + index) for seed in seeds]))
        for index, (name, (down, up)) in enumerate(factors.items())
    }


def episode(factors: dict[str, Factors], index: int) -> dict[str, Factors]:
    return {name: (down[index : index + 1], up[index : index + 1]) for name, (down, up) in factors.items()}


def predict(net: Any, rows: slice | list[int] = slice(None), with_past: bool = True) -> Tensor:
    """Predictions for three episodes, of two new frames each."""
    noised, at = randn(3, 2, 8, 8, 8)[rows], levels(3, 2)[rows]
    past, past_levels = randn(3, 3, 8, 8, 8, seed=1)[rows], torch.zeros(3, 3)[rows]
    kept = net.encode_past(past, past_levels) if with_past else None
    return net.predict(noised, at, TextEncoder.null(len(noised)), kept)


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


def test_sits_on_the_layers_of_every_block_and_on_no_other() -> None:
    slots = LoraSlots(transformer(depth=3), LoraConfig())
    names = ("qkv", "out", "mlp_in", "mlp_out")
    assert sorted(slots.layers) == sorted(f"blocks.{block}.{name}" for block in range(3) for name in names)


def test_fresh_weights_are_drawn_as_peft_draws_them_and_by_each_seed() -> None:
    slots = LoraSlots(transformer(depth=1), LoraConfig(rank=5))
    both, alone = slots.fresh([3, 4]), slots.fresh([4])
    for name, layer in slots.layers.items():
        down, up = both[name]
        assert down.shape == (2, 5, layer.in_features)
        assert up.shape == (2, layer.out_features, 5)
        assert not up.any()
        bound = math.sqrt(6 / (1 + 5) / layer.in_features)  # Kaiming uniform, a = sqrt 5
        assert bound * 0.9 < down.abs().max() <= bound
        assert torch.equal(down[1:], alone[name][0])
        assert not torch.equal(down[0], down[1])


@torch.no_grad()
def test_fresh_weights_change_nothing_bit_for_bit(family: str) -> None:
    net = FAMILIES[family]()
    slots, base = LoraSlots(net, LoraConfig(rank=4, layers=LAYERS[family])), predict(net)
    with slots.applied(slots.fresh([0, 1, 2])):
        assert torch.equal(predict(net), base)
    one = predict(net, slice(0, 1))
    with slots.merged(slots.fresh([0])):
        assert torch.equal(predict(net, slice(0, 1)), one)


@torch.no_grad()
@pytest.mark.parametrize("alpha", [None, 2.0])
def test_applied_is_the_slow_weight_plus_the_scaled_product(alpha: float | None) -> None:
    net = transformer()
    slots = LoraSlots(net, LoraConfig(rank=4, alpha=alpha))
    factors = learned(slots, (7,))
    written_out = copy.deepcopy(net)
    for name, (down, up) in factors.items():
        written_out.get_submodule(name).weight += (1.0 if alpha is None else alpha / 4) * up[0] @ down[0]
    expected = predict(written_out, slice(0, 1))
    with slots.applied(factors):
        applied = predict(net, slice(0, 1))
    with slots.merged(factors):
        merged = predict(net, slice(0, 1))
    assert not torch.allclose(expected, predict(net, slice(0, 1)), atol=1e-2)
    torch.testing.assert_close(applied, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(merged, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("with_past", [True, False])
def test_each_episode_of_a_batch_has_its_own_memory(family: str, with_past: bool) -> None:
    # Also in networks that fold frames or pixels into the batch inside.
    net = FAMILIES[family]()
    slots = LoraSlots(net, LoraConfig(rank=4, layers=LAYERS[family]))
    factors = learned(slots, (5, 6, 7))
    with slots.applied(factors):
        together = predict(net, with_past=with_past)
    for index in range(3):
        with slots.merged(episode(factors, index)):
            alone = predict(net, slice(index, index + 1), with_past)
        torch.testing.assert_close(together[index : index + 1], alone, rtol=1e-4, atol=1e-5)
        with slots.merged(episode(factors, (index + 1) % 3)):
            other = predict(net, slice(index, index + 1), with_past)
        assert not torch.allclose(alone, other, atol=1e-3)


@torch.no_grad()
def test_several_draws_of_an_episode_lie_side_by_side() -> None:
    net = transformer()
    slots = LoraSlots(net, LoraConfig(rank=4))
    factors = learned(slots, (5, 6))
    with slots.applied(factors):
        together = predict(net, [0, 0, 1, 1])
    for index in range(2):
        with slots.applied(episode(factors, index)):
            alone = predict(net, [index])
        for row in (2 * index, 2 * index + 1):
            torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("way", ["applied", "merged"])
@pytest.mark.parametrize("interrupted", [False, True])
def test_nothing_is_left_behind(way: str, interrupted: bool) -> None:
    net = transformer()
    slots, base = LoraSlots(net, LoraConfig(rank=4)), predict(net, [0])
    parameters = dict(net.named_parameters())
    values = {name: each.clone() for name, each in parameters.items()}
    places = {name: each.data_ptr() for name, each in parameters.items()}
    try:
        with getattr(slots, way)(learned(slots, (7,))):
            assert not torch.equal(predict(net, [0]), base)
            if interrupted:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert interrupted
    assert torch.equal(predict(net, [0]), base)
    for name, each in net.named_parameters():
        assert each is parameters[name]
        assert each.data_ptr() == places[name]
        assert torch.equal(each, values[name])
    assert not any(module._forward_hooks for module in net.modules())


def test_applied_carries_gradients_to_both_factors_and_merged_writes_no_slow_weight() -> None:
    net = transformer().requires_grad_(False)
    slots = LoraSlots(net, LoraConfig(rank=4))
    factors = {name: (down.requires_grad_(), up.requires_grad_()) for name, (down, up) in learned(slots, (7,)).items()}
    with slots.applied(factors):
        predict(net, [0]).square().sum().backward()
    for name, pair in factors.items():
        for part in pair:
            assert part.grad is not None, name
            assert part.grad.abs().sum() > 0, name


def test_only_one_episode_can_be_merged() -> None:
    net = transformer(depth=1)
    slots = LoraSlots(net, LoraConfig(rank=4))
    before = net.blocks[0].qkv.weight.data_ptr()
    with pytest.raises(AssertionError, match="one episode"), slots.merged(slots.fresh([1, 2])):
        pass
    assert net.blocks[0].qkv.weight.data_ptr() == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "rank must be at least 1, got 0"),
        ({"layers": ("qkv", "")}, "a layer without a name"),
        ({"alpha": 0.0}, "alpha must be above 0, got 0.0"),
        ({"alpha": -1.0}, "alpha must be above 0, got -1.0"),
        ({"alpha": math.nan}, "alpha must be above 0, got nan"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        LoraConfig(**settings)


def test_layers_that_are_not_there_are_refused() -> None:
    with pytest.raises(UserError, match="VideoTransformer has no linear layer named to_q"):
        LoraSlots(transformer(depth=1), LoraConfig(layers=("to_q",)))


def test_a_name_is_matched_whole() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out, self.patch_out, self.norm = nn.Linear(2, 2), nn.Linear(2, 2), nn.LayerNorm(2)

    assert list(LoraSlots(Net(), LoraConfig(layers=("out", "norm"))).layers) == ["out"]
