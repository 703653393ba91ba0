"""What every denoiser behind the Protocol must do, for the video transformer and the two diffusers families."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import FAMILIES, levels, randn, remembering, transformer, unet
from torch import Tensor, nn

from slowfast_vgen.diffusion.noising import Noising
from slowfast_vgen.diffusion.objective import masked_loss
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.columns import from_columns, to_columns
from slowfast_vgen.models.denoiser import Denoiser, Recall
from slowfast_vgen.models.diffusers_denoisers import UNet3DDenoiser, WanDenoiser
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.video_transformer import VideoTransformer, attend
from slowfast_vgen.models.world_model import DENOISERS, load_denoiser

ACTIONS = ["stay", "turn left", "walk slowly along the red wall until the door"]


@pytest.fixture(params=FAMILIES)
def net(request: pytest.FixtureRequest) -> nn.Module:
    return FAMILIES[request.param]().eval()


def predict(net: Any, text_encoder: TextEncoder, rows: slice = slice(None), **changed: Tensor) -> Tensor:
    """One prediction for three episodes with texts of three lengths; `changed` replaces inputs."""
    inputs = {
        "past": randn(3, 3, 8, 8, 8),
        "past_levels": levels(3, 3),
        "noised": randn(3, 2, 8, 8, 8, seed=1),
        "noise_levels": levels(3, 2, seed=1),
    } | changed
    inputs = {name: value[rows] for name, value in inputs.items()}
    with torch.no_grad():
        past = net.encode_past(inputs["past"], inputs["past_levels"])
        return net.predict(inputs["noised"], inputs["noise_levels"], text_encoder(ACTIONS[rows]), past)


def test_stands_behind_the_protocol(net: nn.Module) -> None:
    assert isinstance(net, Denoiser)
    assert not isinstance(nn.Linear(1, 1), Denoiser)
    assert DENOISERS[type(net).__name__] is type(net)


def test_comes_back_from_its_folder(net: Any, tmp_path: Path, text_encoder: TextEncoder) -> None:
    net.save_pretrained(tmp_path / "denoiser", safe_serialization=True)
    loaded = load_denoiser(tmp_path / "denoiser")
    assert type(loaded) is type(net)
    assert not loaded.training
    assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())
    assert torch.equal(predict(loaded, text_encoder), predict(net, text_encoder))


def test_unknown_and_damaged_folders_are_refused(tmp_path: Path) -> None:
    transformer(depth=1).save_pretrained(tmp_path / "denoiser", safe_serialization=True)
    weights = tmp_path / "denoiser" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot load the denoiser"):
        load_denoiser(tmp_path / "denoiser")
    config = tmp_path / "denoiser" / "config.json"
    config.write_text(json.dumps({"_class_name": "UNet2DModel"}))
    with pytest.raises(UserError, match="'UNet2DModel'; known are VideoTransformer, UNet3DDenoiser, WanDenoiser"):
        load_denoiser(tmp_path / "denoiser")
    with pytest.raises(UserError, match="cannot read"):
        load_denoiser(tmp_path / "nowhere")


@torch.no_grad()
def test_any_number_of_past_and_new_frames(net: Any, text_encoder: TextEncoder) -> None:
    text = text_encoder(["turn left"])
    for num_past in (None, 1, 2, 3, 4, 5, 6, 7, 8):
        past = None
        if num_past is not None:
            past = net.encode_past(randn(1, num_past, 8, 8, 8), torch.zeros(1, num_past))
        for num_new in (1, 2, 3, 4):
            said = net.predict(randn(1, num_new, 8, 8, 8, seed=1), levels(1, num_new), text, past)
            assert said.shape == (1, num_new, 8, 8, 8)
            assert said.isfinite().all()


def test_every_input_matters(net: Any, text_encoder: TextEncoder) -> None:
    base = predict(net, text_encoder)
    past, past_levels = randn(3, 3, 8, 8, 8), levels(3, 3)
    noise_levels = levels(3, 2, seed=1)
    for frame in range(3):
        # One frame's latents or level, of the past or of the new ones, changes what is said of every new frame.
        other = past.clone()
        other[:, frame] += 1
        assert differs(predict(net, text_encoder, past=other), base), f"past frame {frame}"
        other = past_levels.clone()
        other[:, frame] = 0.95 - other[:, frame]
        assert differs(predict(net, text_encoder, past_levels=other), base), f"level of past frame {frame}"
    for frame in range(2):
        other = noise_levels.clone()
        other[:, frame] -= 0.08
        assert differs(predict(net, text_encoder, noise_levels=other), base), f"level of new frame {frame}"
    assert differs(predict(net, text_encoder, past=past.flip(1), past_levels=past_levels.flip(1)), base)


def differs(a: Tensor, b: Tensor) -> bool:
    return bool(((a - b).abs().amax((2, 3, 4)) > 1e-5).all())


@torch.no_grad()
def test_text_and_past_matter(net: Any, text_encoder: TextEncoder) -> None:
    noised, at = randn(1, 2, 8, 8, 8), levels(1, 2)
    past = net.encode_past(randn(1, 1, 8, 8, 8, seed=1), torch.zeros(1, 1))
    left, right, null = text_encoder(["turn left"]), text_encoder(["turn right"]), TextEncoder.null(1)
    outputs = [net.predict(noised, at, text, kept) for text in (left, right, null) for kept in (past, None)]
    for index, one in enumerate(outputs):
        for other in outputs[index + 1 :]:
            assert differs(one, other)


def test_an_episode_does_not_depend_on_those_beside_it(net: nn.Module, text_encoder: TextEncoder) -> None:
    together = predict(net, text_encoder)
    for row in range(3):
        alone = predict(net, text_encoder, slice(row, row + 1))
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-5)
    assert differs(together[:1], together[1:2])


@torch.no_grad()
def test_repeated_past_keeps_each_episode_together(net: Any, text_encoder: TextEncoder) -> None:
    past, zeros, text = randn(2, 3, 8, 8, 8), torch.zeros(2, 3), text_encoder(["stay"] * 4)
    noised, at = randn(4, 2, 8, 8, 8, seed=1), levels(4, 2)
    repeated = net.predict(noised, at, text, net.repeat_past(net.encode_past(past, zeros), 2))
    written_out = net.encode_past(past[[0, 0, 1, 1]], torch.zeros(4, 3))
    torch.testing.assert_close(repeated, net.predict(noised, at, text, written_out), rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_parameter(net: Any, text_encoder: TextEncoder) -> None:
    net.train()
    past, new, noise = randn(2, 3, 8, 8, 8), randn(2, 2, 8, 8, 8, seed=1), randn(2, 2, 8, 8, 8, seed=2)
    text = text_encoder(ACTIONS[1:])
    masked_loss(net, Noising(), past, torch.zeros(2, 3), new, noise, levels(2, 2), text).sum().backward()
    without = [name for name, each in net.named_parameters() if each.grad is None or not each.grad.any()]
    assert without == []


def test_training_mode_draws_nothing_at_random(net: Any, text_encoder: TextEncoder) -> None:
    # A resumed training repeats an uninterrupted one only if all chance comes from the step's own generator.
    net.train()
    assert torch.equal(predict(net, text_encoder), predict(net, text_encoder))


def test_attention_in_half_precision_is_nearly_the_same() -> None:
    # On a CPU it takes another way. The queries and keys are large enough for a missing or doubled scale to show.
    q, k, v = (size * randn(2, 4, 24, 16, seed=seed) for seed, size in enumerate((2, 2, 1)))
    with torch.autocast("cpu", torch.bfloat16):
        halved = attend(q, k, v)
    assert halved.dtype == torch.bfloat16
    scores = (q @ k.mT / 16**0.5).softmax(-1)
    assert (halved.float() - scores @ v).square().mean() < 0.05**2 * (scores @ v).square().mean()


def test_half_precision_says_nearly_the_same(net: Any, text_encoder: TextEncoder) -> None:
    whole = predict(net, text_encoder)
    with torch.autocast("cpu", torch.bfloat16):
        halved = predict(net, text_encoder)
    assert not torch.equal(halved.float(), whole)
    assert (halved.float() - whole).square().mean() < 0.05**2 * whole.square().mean()


def test_everything_is_computed_on_the_device_of_the_weights() -> None:
    # The meta device computes shapes only, but minds as a GPU does when a tensor of the CPU comes in between.
    net = transformer().to("meta")
    past = net.encode_past(torch.empty(2, 3, 8, 8, 8, device="meta"), torch.empty(2, 3, device="meta"))
    noised, at = torch.empty(2, 4, 8, 8, 8, device="meta"), torch.empty(2, 4, device="meta")
    assert net.predict(noised, at, TextEncoder.null(2, "meta"), past).shape == (2, 4, 8, 8, 8)


def test_a_fresh_transformer_says_zero(text_encoder: TextEncoder) -> None:
    assert not predict(VideoTransformer(width=64, depth=1), text_encoder).any()


def test_only_time_differences_matter_to_the_transformer() -> None:
    # The same five frames as all new, or with the first ones as past, stand at the same distances: with one block and
    # no text, keys of the past are those of new frames, so the last frame's output is the same.
    net, null = transformer(depth=1), TextEncoder.null(1)
    with torch.no_grad():
        net.text_embedding[-1].bias.zero_()
        net.text_embedding[0].bias.zero_()
        window, at = randn(1, 5, 8, 8, 8), levels(1, 5)
        whole = net.predict(window, at, null, None)
        parted = net.predict(window[:, 2:], at[:, 2:], null, net.encode_past(window[:, :2], at[:, :2]))
    torch.testing.assert_close(parted, whole[:, 2:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [{"width": 100}, {"width": 64, "num_heads": 16}])
def test_impossible_sizes_of_the_transformer_are_refused(size: dict[str, int]) -> None:
    with pytest.raises(UserError, match="multiple"):
        VideoTransformer(**size)


@pytest.mark.parametrize("side", [(9, 16), (16, 9), (6, 6), (7, 5)])
@pytest.mark.parametrize("family", FAMILIES)
def test_frames_of_any_sides_are_denoised_remembered_and_recalled(family: str, side: tuple[int, int]) -> None:
    net: Any = remembering(family, size=side)
    past = net.encode_past(randn(2, 3, 8, *side), torch.zeros(2, 3))
    shape = net.memory_shape(*side)
    assert shape == (3, -(-side[0] // 2), -(-side[1] // 2))
    features = net.memory_features(past)
    assert features.shape == (2, 3, *shape[1:], 3)
    kept = to_columns(past.latents if hasattr(past, "latents") else randn(2, 3, 8, *side), features, shape.columns)
    recall = from_columns(kept[:, 1:], torch.rand(2, 2, shape.columns), (8, *side), 3)
    assert recall.latents.shape == (2, 2, 8, *side)
    with torch.no_grad():
        blind, found = (
            net.predict(randn(2, 2, 8, *side, seed=1), levels(2, 2), TextEncoder.null(2), past, recalled)
            for recalled in (None, net.encode_recall(recall))
        )
    assert found.shape == (2, 2, 8, *side)
    assert found.isfinite().all()
    assert ((found - blind).abs().amax((0, 1, 2)) > 1e-5).all()  # every part of the frame hears of the memory


@pytest.mark.parametrize("family", FAMILIES)
def test_a_denoiser_gets_room_for_a_memory_and_predicts_the_same(family: str) -> None:
    net: Any = FAMILIES[family]()
    assert not net.can_recall
    for wider in (net.with_memory(3), net.with_memory(5).with_memory(3)):
        assert wider.can_recall and wider.with_memory(3) is wider
        torch.testing.assert_close(predicted(wider, recall_of(2)), predicted(net, None), rtol=1e-5, atol=1e-6)


def test_unet_takes_one_frame_and_other_sizes(text_encoder: TextEncoder) -> None:
    net = unet()
    past = net.encode_past(randn(1, 1, 8, 16, 8), torch.zeros(1, 1))
    assert net.predict(randn(1, 1, 8, 16, 8), levels(1, 1), text_encoder(["stay"]), past).shape == (1, 1, 8, 16, 8)


# ---------------------------------------------------------------------------------------------------- a ridge memory


def recall_of(batch: int, memory_width: int = 3, seed: int = 0) -> Recall:
    return Recall(
        randn(batch, 2, 8, 8, 8, seed=seed),
        torch.rand(batch, 2, 4, generator=torch.Generator().manual_seed(seed)),
        randn(batch, 2, 4, 4, memory_width, seed=seed + 1) if memory_width else None,
    )


def predicted(net: Any, recall: Recall | None, batch: int = 2) -> Tensor:
    past = net.encode_past(randn(batch, 3, 8, 8, 8), torch.zeros(batch, 3))
    with torch.no_grad():
        recalled = None if recall is None else net.encode_recall(recall)
        return net.predict(randn(batch, 2, 8, 8, 8, seed=1), levels(batch, 2), TextEncoder.null(batch), past, recalled)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_recalled_reaches_the_prediction(family: str) -> None:
    net = remembering(family)
    base = predicted(net, None)
    found = predicted(net, recall_of(2))
    assert (found - base).abs().max() > 1e-3
    for name in ("latents", "novelty", "features"):
        other = replace(recall_of(2), **{name: getattr(recall_of(2, seed=7), name)})
        assert (predicted(net, other) - found).abs().max() > 1e-5, name
    one = recall_of(2)
    first = Recall(one.latents[:1], one.novelty[:1], one.features[:1] if one.features is not None else None)
    again = predicted(net, first.repeat(2))
    torch.testing.assert_close(again[0], found[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_room_for_a_memory_changes_nothing_at_first(family: str) -> None:
    torch.manual_seed(0)
    fresh: Any = {
        "VideoTransformer": lambda: VideoTransformer(width=64, depth=2, num_heads=4, memory_width=3),
        "UNet3DDenoiser": lambda: UNet3DDenoiser(block_widths=(16, 32), head_width=8, recall=True, memory_width=3),
        "WanDenoiser": lambda: WanDenoiser(
            num_heads=2, head_width=32, ffn_width=64, depth=2, recall=True, memory_width=3
        ),
    }[family]()
    assert torch.equal(predicted(fresh, recall_of(2)), predicted(fresh, None))


@pytest.mark.parametrize("family", FAMILIES)
def test_features_come_from_the_past_alone(family: str) -> None:
    net: Any = remembering(family)
    latents = randn(2, 3, 8, 8, 8)
    features = net.memory_features(net.encode_past(latents, torch.zeros(2, 3)))
    assert features.shape == (2, 3, 4, 4, 3)
    assert net.memory_shape(8, 8) == (3, 4, 4)
    torch.testing.assert_close(
        net.memory_features(net.encode_past(latents[:1], torch.zeros(1, 3))), features[:1], rtol=1e-4, atol=1e-4
    )
    other = net.memory_features(net.encode_past(latents + 1, torch.zeros(2, 3)))
    assert (other - features).abs().max() > 1e-3
    without: Any = FAMILIES[family]()
    assert without.memory_features(without.encode_past(latents, torch.zeros(2, 3))) is None


def test_a_transformer_gets_room_for_a_memory_and_keeps_its_weights() -> None:
    net = transformer()
    assert net.with_memory(0) is net
    wider = net.with_memory(5)
    assert wider.config.memory_width == 5
    assert torch.equal(predicted(wider, None), predicted(net, None))


def test_a_transformer_gets_more_latent_channels_and_predicts_the_same_of_the_first_ones() -> None:
    net = transformer().with_memory(5)
    with torch.no_grad():
        torch.nn.init.normal_(net.patch_out.weight, std=0.1)
    assert net.with_channels(8) is net
    wider = net.with_channels(12)
    assert (wider.config.latent_channels, wider.config.memory_width) == (12, 0)
    past, new = randn(2, 3, 12, 8, 8), randn(2, 2, 12, 8, 8, seed=1)
    text = TextEncoder.null(2)
    with torch.no_grad():
        narrow = net.predict(new[:, :, :8], levels(2, 2), text, net.encode_past(past[:, :, :8], torch.zeros(2, 3)))
        wide = wider.predict(new, levels(2, 2), text, wider.encode_past(past, torch.zeros(2, 3)))
    assert narrow.abs().max() > 0.1
    torch.testing.assert_close(wide[:, :, :8], narrow, rtol=1e-5, atol=1e-5)
    with pytest.raises(UserError, match=r"patch_in.weight of shape \(.*\) do not fit into"):
        net.with_channels(4)
