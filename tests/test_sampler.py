"""The chunk sampler against plain loops over diffusers' schedulers: a denoiser that knows the answer, and real ones."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler
from tiny import FAMILIES, joined_transformer, randn, transformer
from torch import Tensor

from slowfast_vgen.diffusion.noising import Noising
from slowfast_vgen.diffusion.sampler import SamplerConfig, make_scheduler, noise_level, sample_chunk, set_num_steps
from slowfast_vgen.errors import UserError
from slowfast_vgen.models.settings import Target
from slowfast_vgen.models.text import TextEmbedding, TextEncoder

TARGETS: tuple[Target, ...] = ("flow", "epsilon", "v_prediction")
NULL = TextEncoder.null(1)


@dataclass
class Oracle:
    """Knows the clean latents and says what a perfect denoiser would, give or take an error.

    Like any denoiser it has never met noise beyond five deviations, and can't name it.
    """

    clean: Tensor
    target: Target
    error: float = 0.0
    levels: list[float] = field(default_factory=list)
    texts: list[TextEmbedding] = field(default_factory=list)

    def predict(
        self, noised: Tensor, noise_levels: Tensor, text: TextEmbedding, past: object, recall: object = None
    ) -> Tensor:
        assert noise_levels.shape == noised.shape[:2]
        self.levels.append(noise_levels.unique().item())
        self.texts.append(text)
        noising = Noising(self.target)
        alpha, sigma = noising.alpha_sigma(noise_levels[..., None, None, None])
        noise = ((noised - alpha * self.clean) / sigma).clamp(-5, 5)
        said = noising.prediction_target(self.clean, noise, noise_levels)
        return said + self.error * randn(*said.shape, seed=len(self.levels))


def plain_scheduler(target: Target, num_steps: int) -> DDIMScheduler | FlowMatchEulerDiscreteScheduler:
    """Diffusers' scheduler as its own pipelines would set it up, written out without our helpers."""
    if target == "flow":
        scheduler = FlowMatchEulerDiscreteScheduler()
        scheduler.set_timesteps(sigmas=np.linspace(1, 1 / num_steps, num_steps))
        return scheduler
    betas = {"beta_schedule": "squaredcos_cap_v2"}
    if target == "epsilon":
        betas = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    scheduler = DDIMScheduler(prediction_type=target, clip_sample=False, timestep_spacing="trailing", **betas)
    scheduler.set_timesteps(num_steps)
    return scheduler


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("num_steps", [1, 2, 8])
def test_an_oracle_is_followed_to_the_clean_latents(target: Target, num_steps: int) -> None:
    oracle = Oracle(randn(2, 3, 4, 4, 4), target)
    noise = randn(2, 3, 4, 4, 4, seed=1)
    chunk = sample_chunk(oracle, make_scheduler(target), SamplerConfig(num_steps), None, NULL, NULL, noise)
    torch.testing.assert_close(chunk, oracle.clean, rtol=0, atol=1e-5)
    assert not chunk.requires_grad


@pytest.mark.parametrize("target", TARGETS)
def test_errors_of_the_denoiser_are_not_blown_up(target: Target) -> None:
    # On the cosine schedule, whose end keeps nothing of the signal, epsilon-prediction would make 0.05 into 1000 at the
    # first step.
    oracle = Oracle(randn(2, 3, 4, 4, 4), target, error=0.05)
    noise = randn(2, 3, 4, 4, 4, seed=1)
    chunk = sample_chunk(oracle, make_scheduler(target), SamplerConfig(8), None, NULL, NULL, noise)
    assert 0 < float((chunk - oracle.clean).std()) < 0.05


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("num_steps", [1, 2, 7, 8])
def test_the_number_of_steps_is_kept_and_every_step_does_its_share(target: Target, num_steps: int) -> None:
    oracle = Oracle(randn(1, 2, 4, 4, 4), target)
    sample_chunk(
        oracle, make_scheduler(target), SamplerConfig(num_steps), None, NULL, NULL, randn(1, 2, 4, 4, 4, seed=1)
    )
    assert len(oracle.levels) == num_steps
    assert oracle.levels[0] > 0.95
    strides = -np.diff([*oracle.levels, 0.0])
    assert strides.min() > 0.3 / num_steps
    if target == "flow":
        np.testing.assert_allclose(strides, 1 / num_steps, atol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_levels_are_those_of_the_schedule(target: Target) -> None:
    scheduler = make_scheduler(target)
    set_num_steps(scheduler, 8)
    for index, timestep in enumerate(scheduler.timesteps):
        alpha, sigma = Noising(target).alpha_sigma(torch.tensor(noise_level(scheduler, timestep)))
        if target == "flow":
            assert float(sigma) == pytest.approx(float(scheduler.sigmas[index]))
        else:
            kept = float(scheduler.alphas_cumprod[timestep])
            assert float(alpha**2) == pytest.approx(kept, abs=1e-6)
            assert float(sigma**2) == pytest.approx(1 - kept, abs=1e-6)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("num_past", [1, 4])
def test_equals_a_plain_loop_over_past_and_new_joined(target: Target, num_past: int, text_encoder: TextEncoder) -> None:
    # f_p = 1 is a start image. The plain loop runs the whole window anew at every step; the sampler keeps the past's
    # keys.
    net, text, null = transformer(), text_encoder(["turn left", "walk on"]), TextEncoder.null(2)
    past, zeros, noise = randn(2, num_past, 8, 8, 8), torch.zeros(2, num_past), randn(2, 3, 8, 8, 8, seed=1)
    scheduler, latents = plain_scheduler(target, 4), noise
    with torch.no_grad():
        for timestep in scheduler.timesteps:
            level = timestep / 1000
            if target != "flow":
                level = scheduler.alphas_cumprod[timestep].sqrt().acos() / (torch.pi / 2)
            at = level.expand(2, 3)
            said = joined_transformer(net, past, zeros, latents, at, text)[:, num_past:]
            latents = scheduler.step(said, timestep, latents).prev_sample
        kept = net.encode_past(past, zeros)
        chunk = sample_chunk(net, make_scheduler(target), SamplerConfig(4), kept, text, null, noise)
    torch.testing.assert_close(chunk, latents, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_kept_past_is_the_past_computed_anew_bit_for_bit(family: str, text_encoder: TextEncoder) -> None:
    net, text = FAMILIES[family](), text_encoder(["turn left"])
    past, zeros, noise = randn(1, 4, 8, 8, 8), torch.zeros(1, 4), randn(1, 2, 8, 8, 8, seed=1)

    class Anew:
        def predict(
            self, noised: Tensor, noise_levels: Tensor, text: TextEmbedding, past: Tensor, recall: object = None
        ) -> Tensor:
            return net.predict(noised, noise_levels, text, net.encode_past(past, zeros))

    with torch.no_grad():
        kept = net.encode_past(past, zeros)
    arguments = (text, NULL, noise)
    first = sample_chunk(net, make_scheduler("flow"), SamplerConfig(3), kept, *arguments)
    again = sample_chunk(net, make_scheduler("flow"), SamplerConfig(3), kept, *arguments)
    anew = sample_chunk(Anew(), make_scheduler("flow"), SamplerConfig(3), past, *arguments)
    other_noise = sample_chunk(net, make_scheduler("flow"), SamplerConfig(3), kept, text, NULL, noise + 0.1)
    assert torch.equal(first, again)
    assert torch.equal(first, anew)
    assert not torch.equal(first, other_noise)


def test_flow_is_euler_from_noise_to_data() -> None:
    # First principles, without diffusers: z <- z + (sigma_next - sigma) u, five even steps.
    net, noise = transformer(), randn(1, 2, 8, 8, 8)
    latents = noise
    with torch.no_grad():
        for step in range(5):
            latents = latents - 0.2 * net.predict(latents, torch.full((1, 2), 1 - 0.2 * step), NULL, None)
    chunk = sample_chunk(net, make_scheduler("flow"), SamplerConfig(5), None, NULL, NULL, noise)
    torch.testing.assert_close(chunk, latents, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("target", ["epsilon", "v_prediction", "flow"])
def test_every_number_of_steps_goes_evenly_down_from_the_noisiest_level(target: Target) -> None:
    scheduler = make_scheduler(target)
    noisiest = 1.0 if target == "flow" else noise_level(scheduler, torch.tensor(999))
    for num_steps in range(1, 1001):
        set_num_steps(scheduler, num_steps)
        steps = scheduler.timesteps.tolist()
        assert len(steps) == num_steps
        assert noise_level(scheduler, scheduler.timesteps[0]) == noisiest
        assert all(one > other for one, other in pairwise(steps))
        first, slack = (0, 1e-3) if target == "flow" else (1, 0.5)  # discrete schedules count from 0
        even = [1000 * left / num_steps - first for left in range(num_steps, 0, -1)]
        assert max(abs(one - other) for one, other in zip(steps, even, strict=True)) <= slack


@pytest.mark.parametrize("num_steps", [1, 7, 8, 333, 501, 600, 999, 1000])
@pytest.mark.parametrize("target", ["epsilon", "v_prediction", "flow"])
def test_an_oracle_gets_the_clean_chunk_in_any_number_of_steps(target: Target, num_steps: int) -> None:
    """Whatever the levels between, the last step must go to clean latents from the level of the last prediction."""
    truth, noise = randn(1, 2, 4, 4, 4), randn(1, 2, 4, 4, 4, seed=1)
    oracle = Oracle(truth, target)
    chunk = sample_chunk(oracle, make_scheduler(target), SamplerConfig(num_steps), None, NULL, NULL, noise)
    torch.testing.assert_close(chunk, truth, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("target", ["epsilon", "v_prediction"])
def test_ddim_is_diffusers_own_where_its_steps_are_even(target: Target) -> None:
    net, noise = transformer(), randn(1, 2, 8, 8, 8)
    theirs, latents = make_scheduler(target), noise
    theirs.set_timesteps(8)
    with torch.no_grad():
        for timestep in theirs.timesteps:
            at = torch.full((1, 2), noise_level(theirs, timestep))
            latents = theirs.step(net.predict(latents, at, NULL, None), timestep, latents).prev_sample
    chunk = sample_chunk(net, make_scheduler(target), SamplerConfig(8), None, NULL, NULL, noise)
    assert torch.equal(chunk, latents)


def test_one_scheduler_serves_chunk_after_chunk() -> None:
    scheduler, net, noise = make_scheduler("flow"), transformer(), randn(1, 2, 8, 8, 8)
    once = sample_chunk(net, scheduler, SamplerConfig(4), None, NULL, NULL, noise)
    sample_chunk(net, scheduler, SamplerConfig(7), None, NULL, NULL, noise)
    assert torch.equal(once, sample_chunk(net, scheduler, SamplerConfig(4), None, NULL, NULL, noise))


def test_guidance(text_encoder: TextEncoder) -> None:
    net, text, noise = transformer(), text_encoder(["turn left"]), randn(1, 2, 8, 8, 8)
    ones = torch.ones(1, 2)

    def chunk(scale: float) -> Tensor:
        return sample_chunk(net, make_scheduler("flow"), SamplerConfig(1, scale), None, text, NULL, noise)

    with torch.no_grad():
        with_text, without = net.predict(noise, ones, text, None), net.predict(noise, ones, NULL, None)
    assert not torch.allclose(with_text, without, atol=1e-3)
    assert torch.equal(chunk(1.0), noise - with_text)  # a scale of 1 is off
    torch.testing.assert_close(chunk(0.0), noise - without)
    torch.testing.assert_close(chunk(3.0), noise - (without + 3 * (with_text - without)), rtol=1e-4, atol=1e-5)


def test_without_guidance_the_null_text_is_never_run(text_encoder: TextEncoder) -> None:
    oracle, text = Oracle(randn(1, 2, 4, 4, 4), "flow"), text_encoder(["turn left"])
    sample_chunk(oracle, make_scheduler("flow"), SamplerConfig(3), None, text, NULL, randn(1, 2, 4, 4, 4, seed=1))
    assert all(each is text for each in oracle.texts)


@pytest.mark.parametrize("num_steps", [0, -1, 1001])
def test_impossible_numbers_of_steps_are_refused(num_steps: int) -> None:
    with pytest.raises(UserError, match=f"1 to 1000 steps, got {num_steps}"):
        SamplerConfig(num_steps)
