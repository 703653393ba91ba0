"""The chunk sampler, latents in, latents out: from noise to the next chunk, any denoiser, a diffusers scheduler."""

import copy
import math
from dataclasses import dataclass
from typing import TypeAlias

import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler
from jaxtyping import Float
from torch import Tensor

from slowfast_vgen.given import real, whole
from slowfast_vgen.models.denoiser import Denoiser, Latents, Past, Recall
from slowfast_vgen.models.settings import Target
from slowfast_vgen.models.text import TextEmbedding

Scheduler: TypeAlias = DDIMScheduler | FlowMatchEulerDiscreteScheduler


@dataclass(frozen=True)
class SamplerConfig:
    """The settings of sampling a chunk."""

    num_steps: int = 8
    guidance_scale: float = 1.0
    """Classifier-free guidance on the action (arXiv 2207.12598); 1 is off and saves half of the time."""

    def __post_init__(self) -> None:
        steps = whole(self.num_steps, "sampling takes 1 to 1000 steps", 1, 1000)
        object.__setattr__(self, "num_steps", steps)
        scale = real(self.guidance_scale, "the guidance scale is a number from 0 on, where 1 is off", 0)
        object.__setattr__(self, "guidance_scale", scale)


def make_scheduler(target: Target) -> Scheduler:
    """Diffusers' scheduler for a prediction target: Euler along the flow, or deterministic DDIM (arXiv 2010.02502).

    DDIM walks the cosine schedule for v. For epsilon it walks ModelScopeT2V's own, whose last step keeps 7 % of the
    signal: on the cosine schedule nothing is left there, and an error of the prediction would come out 20,000 times as
    large.
    """
    if target == "flow":
        return FlowMatchEulerDiscreteScheduler()
    schedule: dict[str, str | float] = {"beta_schedule": "squaredcos_cap_v2"}
    if target == "epsilon":
        schedule = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    return DDIMScheduler(prediction_type=target, clip_sample=False, timestep_spacing="trailing", **schedule)


def set_num_steps(scheduler: Scheduler, num_steps: int) -> None:
    """Evenly spaced steps from the noisiest level, where the next ones may lie between, down to clean latents.

    Diffusers' default for a flow ends at a level of 1/1000, so that its last step does nothing; its own pipelines hand
    over the levels likewise. Its steps of DDIM are all of the length `1000 // num_steps`, which does not go into 1000
    for most numbers; here each goes to where the next one begins (`_ddim_step`).

    >>> scheduler = make_scheduler("flow")
    >>> set_num_steps(scheduler, 4)
    >>> scheduler.sigmas.tolist()
    [1.0, 0.75, 0.5, 0.25, 0.0]
    >>> scheduler = make_scheduler("v_prediction")
    >>> set_num_steps(scheduler, 7)
    >>> scheduler.timesteps.tolist()
    [999, 856, 713, 570, 428, 285, 142]
    """
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        scheduler.set_timesteps(sigmas=[1 - step / num_steps for step in range(num_steps)])
    else:
        total = scheduler.config.num_train_timesteps
        steps = [(2 * total * left + num_steps) // (2 * num_steps) - 1 for left in range(num_steps, 0, -1)]
        scheduler.timesteps = torch.tensor(steps)


def _ddim_step(scheduler: DDIMScheduler, prediction: Latents, index: int, latents: Latents) -> Latents:
    """Steps from time step `index` of the schedule to the next, or from the last to clean latents (DDIM, eq. 12)."""
    timesteps, kept = scheduler.timesteps, scheduler.alphas_cumprod
    now = kept[timesteps[index]]
    after = kept[timesteps[index + 1]] if index + 1 < len(timesteps) else scheduler.final_alpha_cumprod
    if scheduler.config.prediction_type == "epsilon":
        clean, noise = (latents - (1 - now) ** 0.5 * prediction) / now**0.5, prediction
    else:
        clean = now**0.5 * latents - (1 - now) ** 0.5 * prediction
        noise = now**0.5 * prediction + (1 - now) ** 0.5 * latents
    return after**0.5 * clean + (1 - after) ** 0.5 * noise


def noise_level(scheduler: Scheduler, timestep: Tensor) -> float:
    """The noise level in [0, 1] (see `Noising`) at a scheduler's time step."""
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        return float(timestep) / scheduler.config.num_train_timesteps
    kept = float(scheduler.alphas_cumprod[int(timestep)])
    return math.acos(math.sqrt(kept)) / (math.pi / 2)


@torch.no_grad()
def sample_chunk(
    denoiser: Denoiser,
    scheduler: Scheduler,
    config: SamplerConfig,
    past: Past | None,
    text: TextEmbedding,
    null_text: TextEmbedding,
    noise: Float[Tensor, "batch f_g channels height width"],
    recall: Recall | None = None,
) -> Latents:
    """Denoises `noise` into the chunk that follows `past` (Algorithm 1a, the generation step).

    The past is whatever `denoiser.encode_past` gave: it is computed once and read at each of the `config.num_steps`
    steps. So is what a ridge memory recalls of these frames (`denoiser.encode_recall`). The scheduler is left as it is,
    so that several threads may sample with the same one.
    """
    scheduler = copy.copy(scheduler)  # it counts its steps; its tensors are exchanged and never written into
    set_num_steps(scheduler, config.num_steps)
    recalled = None if recall is None else denoiser.encode_recall(recall)
    latents = noise
    for index, timestep in enumerate(scheduler.timesteps):
        levels = torch.full(latents.shape[:2], noise_level(scheduler, timestep), device=latents.device)
        prediction = denoiser.predict(latents, levels, text, past, recalled)
        if config.guidance_scale != 1.0:
            unguided = denoiser.predict(latents, levels, null_text, past, recalled)
            prediction = unguided + config.guidance_scale * (prediction - unguided)
        # The scheduler gives what the prediction has, and rounding would add up over the steps.
        prediction = prediction.to(latents)
        if isinstance(scheduler, DDIMScheduler):
            latents = _ddim_step(scheduler, prediction, index, latents)
        else:
            latents = scheduler.step(prediction, timestep, latents, return_dict=False)[0]
    return latents
