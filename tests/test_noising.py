"""The forward process: inverse, known identities, and diffusers' schedulers at the same levels."""

import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import levels, randn
from torch import Tensor

from slowfast_vgen.diffusion.noising import Noising, draw_noise_levels
from slowfast_vgen.diffusion.sampler import make_scheduler, noise_level
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.settings import Target

TARGETS: tuple[Target, ...] = ("flow", "epsilon", "v_prediction")
CLEAN, NOISE = randn(2, 3, 4, 5, 5), randn(2, 3, 4, 5, 5, seed=1)


def clean_and_noise(noising: Noising, noised: Tensor, prediction: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """`z_0` and `eps` from a prediction, solved by hand: the inverse of `prediction_target`."""
    alpha, sigma = noising.alpha_sigma(at[..., None, None, None])
    if noising.target == "epsilon":
        return (noised - sigma * prediction) / alpha, prediction
    if noising.target == "flow":
        return noised - sigma * prediction, noised + alpha * prediction
    return alpha * noised - sigma * prediction, sigma * noised + alpha * prediction


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(TARGETS),
    # For epsilon z_0 is divided by alpha, which is gone at level 1.
    st.lists(st.floats(0, 0.9), min_size=6, max_size=6),
)
def test_clean_and_noise_undo_the_target(target: Target, frame_levels: list[float]) -> None:
    noising, at = Noising(target), torch.tensor(frame_levels).reshape(2, 3)
    noised, said = noising.add_noise(CLEAN, NOISE, at), noising.prediction_target(CLEAN, NOISE, at)
    clean, noise = clean_and_noise(noising, noised, said, at)
    torch.testing.assert_close(clean, CLEAN, rtol=0, atol=5e-5)
    torch.testing.assert_close(noise, NOISE, rtol=0, atol=5e-5)


@pytest.mark.parametrize("target", ["flow", "v_prediction"])
def test_pure_noise_can_be_undone_too(target: Target) -> None:
    noising, at = Noising(target), torch.ones(2, 3)
    said = noising.prediction_target(CLEAN, NOISE, at)
    clean, noise = clean_and_noise(noising, NOISE, said, at)
    torch.testing.assert_close(clean, CLEAN, rtol=0, atol=1e-5)
    torch.testing.assert_close(noise, NOISE, rtol=0, atol=1e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_level_0_is_clean_and_level_1_is_noise(target: Target) -> None:
    noising = Noising(target)
    assert torch.equal(noising.add_noise(CLEAN, NOISE, torch.zeros(2, 3)), CLEAN)
    torch.testing.assert_close(noising.add_noise(CLEAN, NOISE, torch.ones(2, 3)), NOISE, rtol=0, atol=1e-6)


def test_each_frame_has_its_own_level() -> None:
    at = torch.tensor([[0.0, 0.5, 1.0], [1.0, 0.0, 0.25]])
    noised = Noising("flow").add_noise(CLEAN, NOISE, at)
    assert torch.equal(noised[0, 0], CLEAN[0, 0])
    assert torch.equal(noised[1, 0], NOISE[1, 0])
    torch.testing.assert_close(noised[1, 2], 0.75 * CLEAN[1, 2] + 0.25 * NOISE[1, 2])


def test_variance_is_preserved_but_for_the_flow() -> None:
    at = torch.linspace(0, 1, 11)
    for target in ("epsilon", "v_prediction"):
        alpha, sigma = Noising(target).alpha_sigma(at)
        torch.testing.assert_close(alpha**2 + sigma**2, torch.ones(11))
        assert (alpha.diff() < 0).all()
    alpha, sigma = Noising("flow").alpha_sigma(at)
    assert torch.equal(sigma, at)
    torch.testing.assert_close(alpha + sigma, torch.ones(11))


def test_targets_are_the_derivatives_along_their_paths() -> None:
    # Flow: dz/dt. v: dz/d(angle), angle = pi t / 2 (arXiv 2202.00512, appendix D).
    at, step = levels(2, 3).double(), 1e-6
    clean, noise = CLEAN.double(), NOISE.double()
    for target, speed in (("flow", 1.0), ("v_prediction", torch.pi / 2)):
        noising = Noising(target)
        slope = (noising.add_noise(clean, noise, at + step) - noising.add_noise(clean, noise, at)) / step
        torch.testing.assert_close(slope / speed, noising.prediction_target(clean, noise, at), rtol=0, atol=1e-4)


@pytest.mark.parametrize("target", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("schedule", ["squaredcos_cap_v2", "scaled_linear", "linear"])
def test_agrees_with_diffusers_ddim(target: Target, schedule: str) -> None:
    scheduler = DDIMScheduler(beta_schedule=schedule, prediction_type=target, clip_sample=False)
    scheduler.set_timesteps(1000)
    noising = Noising(target)
    for step in (0, 17, 400, 900):
        timestep = torch.tensor(step)
        at = torch.full((2, 3), noise_level(scheduler, timestep))
        noised, said = noising.add_noise(CLEAN, NOISE, at), noising.prediction_target(CLEAN, NOISE, at)
        theirs = scheduler.add_noise(CLEAN, NOISE, timestep)
        torch.testing.assert_close(noised, theirs, rtol=0, atol=2e-5)
        if target == "v_prediction":
            torch.testing.assert_close(said, scheduler.get_velocity(CLEAN, NOISE, timestep), rtol=0, atol=2e-5)
        origin = scheduler.step(said, timestep, theirs).pred_original_sample
        torch.testing.assert_close(clean_and_noise(noising, noised, said, at)[0], origin, rtol=0, atol=2e-4)


def test_agrees_with_diffusers_flow_matching() -> None:
    scheduler = make_scheduler("flow")
    assert isinstance(scheduler, FlowMatchEulerDiscreteScheduler)
    scheduler.set_timesteps(10)
    noising = Noising("flow")
    for timestep in scheduler.timesteps[[0, 4, 9]]:
        at = torch.full((2, 3), noise_level(scheduler, timestep))
        noised = noising.add_noise(CLEAN, NOISE, at)
        theirs = scheduler.scale_noise(CLEAN, timestep[None].expand(2), NOISE)
        torch.testing.assert_close(noised, theirs, rtol=0, atol=1e-5)


def test_drawn_levels_are_logit_normal_and_follow_the_seed() -> None:
    drawn = draw_noise_levels((20_000,), torch.Generator().manual_seed(3))
    assert 0 < drawn.min() < drawn.max() < 1
    logits = drawn.double().logit()
    assert abs(float(logits.mean())) < 0.03
    assert abs(float(logits.std()) - 1) < 0.03
    assert torch.equal(drawn, draw_noise_levels((20_000,), torch.Generator().manual_seed(3)))
    assert not torch.equal(drawn, draw_noise_levels((20_000,), torch.Generator().manual_seed(4)))
    higher = draw_noise_levels((20_000,), torch.Generator().manual_seed(3), logit_mean=1.5)
    torch.testing.assert_close(higher.double().logit(), logits + 1.5, rtol=0, atol=1e-3)


def test_unknown_target_is_refused() -> None:
    with pytest.raises(UserError, match=r"'sample'.*epsilon, v_prediction or flow"):
        Noising("sample")  # type: ignore[arg-type]
