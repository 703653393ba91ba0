"""Eq. 2 and eq. 3 against computations that are written out: join in time, mask, compare the new frames."""

import pytest
import torch
from tiny import FAMILIES, joined_transformer, levels, randn, transformer, unet
from torch import Tensor, nn

from slowfast_vgen.diffusion.noising import Noise, Noising, frame_levels
from slowfast_vgen.diffusion.objective import masked_loss, unmasked_loss, window_losses
from slowfast_vgen.models.diffusers_denoisers import UNet3DDenoiser, padded_tokens
from slowfast_vgen.models.settings import Target
from slowfast_vgen.models.text import TextEmbedding, TextEncoder
from slowfast_vgen.models.video_transformer import VideoTransformer

TARGETS: tuple[Target, ...] = ("flow", "epsilon", "v_prediction")
ACTIONS = ["turn left", "walk slowly along the red wall"]


def whole_window(
    net: nn.Module, past: Tensor, past_levels: Tensor, noised: Tensor, noise_levels: Tensor, text: TextEmbedding
) -> Tensor:
    """The network's output for all frames of past and new joined in time."""
    if isinstance(net, VideoTransformer):
        return joined_transformer(net, past, past_levels, noised, noise_levels, text)
    assert isinstance(net, UNet3DDenoiser)
    window, all_levels = torch.cat([past, noised], 1), torch.cat([past_levels, noise_levels], 1)
    level_channel = all_levels[:, :, None, None, None] * torch.ones_like(window[:, :, :1])
    sample = torch.cat([window, level_channel], 2).transpose(1, 2)
    output = net.network(sample, 1000 * all_levels.max(1).values, encoder_hidden_states=padded_tokens(text)).sample
    return output.transpose(1, 2)


@pytest.mark.parametrize("make", [transformer, unet])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("num_past", "num_new", "last_frame_weight"), [(1, 3, 1.0), (3, 2, 1.0), (2, 3, 4.0)])
def test_masked_loss_is_equation_2(
    make, target: Target, num_past: int, num_new: int, last_frame_weight: float, text_encoder: TextEncoder
) -> None:
    net, noising, text = make(), Noising(target), text_encoder(ACTIONS)
    window, noise = randn(2, num_past + num_new, 8, 8, 8), randn(2, num_past + num_new, 8, 8, 8, seed=1)
    step = frame_levels(torch.tensor([0.3, 0.8]), num_past + num_new)
    mask = (torch.arange(num_past + num_new) >= num_past)[None, :, None, None, None]
    # Eq. 1: z_0 where the mask is 0, z_t where it is 1.
    joined = torch.where(mask, noising.add_noise(window, noise, step), window)
    past_levels = torch.zeros(2, num_past)
    with torch.no_grad():
        output = whole_window(net, window[:, :num_past], past_levels, joined[:, num_past:], step[:, num_past:], text)
        error = (output - noising.prediction_target(window, noise, step)).square() * mask
        weights = mask.float()
        weights[:, -1] = last_frame_weight
        expected = (weights * error).sum((1, 2, 3, 4)) / (weights.sum() * 8 * 8 * 8)
        past, new = window[:, :num_past], window[:, num_past:]
        drawn = Noise(step[:, num_past:], noise[:, num_past:], past_levels, past, torch.zeros(2, dtype=torch.bool))
        loss = window_losses(net, noising, past, new, drawn, text, last_frame_weight=last_frame_weight)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [transformer, unet])
@pytest.mark.parametrize("target", TARGETS)
def test_unmasked_loss_is_equation_3(make, target: Target) -> None:
    net, noising, null = make(), Noising(target), TextEncoder.null(2)
    window, noise = randn(2, 5, 8, 8, 8), randn(2, 5, 8, 8, 8, seed=1)
    step = frame_levels(torch.tensor([0.3, 0.8]), 5)
    noised = noising.add_noise(window, noise, step)
    with torch.no_grad():
        output = whole_window(net, noised[:, :0], step[:, :0], noised, step, null)
        expected = (output - noising.prediction_target(window, noise, step)).square().mean((1, 2, 3, 4))
        loss = unmasked_loss(net, noising, window, noise, step, null)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_several_noise_draws_in_one_call_equal_separate_calls(family: str, text_encoder: TextEncoder) -> None:
    net, noising, draws = FAMILIES[family](), Noising(), 3
    past, past_levels, new = randn(2, 3, 8, 8, 8), levels(2, 3), randn(2, 2, 8, 8, 8, seed=1)
    noise, step = randn(2 * draws, 2, 8, 8, 8, seed=2), levels(2 * draws, 2, seed=3)
    text = text_encoder([action for action in ACTIONS for _ in range(draws)])
    with torch.no_grad():
        together = masked_loss(net, noising, past, past_levels, new, noise, step, text)
        for draw in range(draws):
            rows = torch.tensor([draw, draws + draw])  # the draws of a window lie side by side
            alone = masked_loss(net, noising, past, past_levels, new, noise[rows], step[rows], text_encoder(ACTIONS))
            torch.testing.assert_close(together[rows], alone, rtol=1e-4, atol=1e-5)
    assert together.unique().numel() == 2 * draws


def test_past_is_run_once_for_all_draws_and_does_not_depend_on_the_new_frames(
    monkeypatch: pytest.MonkeyPatch, text_encoder: TextEncoder
) -> None:
    net, kept = transformer(), []
    encode_past = net.encode_past

    def spy(latents: Tensor, noise_levels: Tensor) -> object:
        kept.append(encode_past(latents, noise_levels))
        return kept[-1]

    monkeypatch.setattr(net, "encode_past", spy)
    past, new, text = randn(1, 3, 8, 8, 8), randn(1, 2, 8, 8, 8, seed=1), text_encoder(["turn left"] * 4)
    losses = [
        masked_loss(net, Noising(), past, torch.zeros(1, 3), new, randn(4, 2, 8, 8, 8, seed=seed), levels(4, 2), text)
        for seed in (2, 3)
    ]
    assert len(kept) == 2
    assert not torch.equal(*losses)
    for (k_a, v_a), (k_b, v_b) in zip(kept[0].blocks, kept[1].blocks, strict=True):
        assert k_a.shape[2] == 3 * 16
        assert torch.equal(k_a, k_b)
        assert torch.equal(v_a, v_b)


def test_only_a_block_causal_window_allows_the_cache(text_encoder: TextEncoder) -> None:
    # In the joined window, the past's outputs do not move with the new frames; under full attention they would.
    net, past, zeros, text = transformer(), randn(1, 3, 8, 8, 8), torch.zeros(1, 3), text_encoder(["turn left"])
    outputs = {}
    with torch.no_grad():
        for block_causal in (True, False):
            outputs[block_causal] = [
                joined_transformer(net, past, zeros, randn(1, 2, 8, 8, 8, seed=seed), levels(1, 2), text, block_causal)
                for seed in (1, 2)
            ]
        cached = net.predict(randn(1, 2, 8, 8, 8, seed=1), levels(1, 2), text, net.encode_past(past, zeros))
    assert torch.equal(outputs[True][0][:, :3], outputs[True][1][:, :3])
    assert not torch.allclose(outputs[False][0][:, :3], outputs[False][1][:, :3], atol=1e-3)
    torch.testing.assert_close(cached, outputs[True][0][:, 3:], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(cached, outputs[False][0][:, 3:], atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_reaches_the_weights_through_the_past(family: str, text_encoder: TextEncoder) -> None:
    net, past = FAMILIES[family](), randn(1, 2, 8, 8, 8).requires_grad_()
    arguments = (torch.zeros(1, 2), randn(1, 2, 8, 8, 8, seed=1), randn(1, 2, 8, 8, 8, seed=2), levels(1, 2))
    masked_loss(net, Noising(), past, *arguments, text_encoder(["stay"])).sum().backward()
    assert past.grad is not None
    assert (past.grad.abs().amax((0, 2, 3, 4)) > 0).all()
