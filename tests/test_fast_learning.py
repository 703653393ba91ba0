"""Fast learning: eq. 3, one memory an episode, the guard, and slow weights that nothing touches."""

import math
from typing import Any

import pytest
import torch
from tiny import FAMILIES, flat, randn, transformer
from torch import Tensor, nn
from torch.func import functional_call

from slowfast_vgen.diffusion.noising import Noising, draw_noise_levels
from slowfast_vgen.diffusion.objective import frame_levels, unmasked_loss
from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.fast_learning import LEARNING_NOISE, FastLearner
from slowfast_vgen.memory.lora_weights import LoraWeights
from slowfast_vgen.memory.settings import FastLearningConfig, LoraConfig
from slowfast_vgen.models.text import TextEmbedding, TextEncoder
from slowfast_vgen.seeds import mixed_seed

RANK_4 = LoraConfig(rank=4)
ATTENTION = LoraConfig(rank=4, layers=("to_q", "to_v"))


def learner_of(net: nn.Module, **settings: Any) -> FastLearner:
    config = FastLearningConfig(**{"lora": RANK_4, "learning_rate": 1e-2} | settings)
    return FastLearner(net, Noising("flow"), TextEncoder.null, config)


def windows(episodes: int, seed: int = 0, frames: int = 8) -> Tensor:
    return randn(episodes, frames, 8, 8, 8, seed=seed)


def values(memory: LoraWeights, row: int | None = None) -> list[Tensor]:
    """Copies of all that an episode's memory is made of, or the whole batch's."""
    states = memory.states()
    return [each.clone() for each in (flat(states) if row is None else states[row])]


def loss_on(net: nn.Module, window: Tensor) -> float:
    """Eq. 3's loss with much noise that learning has not seen."""
    many = window.repeat(64, 1, 1, 1, 1)
    at = frame_levels(torch.linspace(0.1, 0.9, 64), window.shape[1])
    with torch.no_grad():
        return float(unmasked_loss(net, Noising(), many, randn(*many.shape, seed=99), at, TextEncoder.null(64)).mean())


def test_the_defaults_are_the_papers() -> None:
    config = FastLearningConfig()
    assert (config.lora.rank, config.lora.scale) == (32, 1.0)
    assert (config.optimizer, config.learning_rate, config.updates_per_chunk, config.noise_draws) == (
        "adam",
        1e-4,
        1,
        1,
    )
    memory = learner_of(transformer(), lora=config.lora).fresh([0])
    assert isinstance(memory.optimizer, torch.optim.Adam)
    assert memory.optimizer.defaults["betas"] == (0.9, 0.999)
    assert memory.optimizer.defaults["weight_decay"] == 0


class Spy(nn.Module):
    """Remembers what it was asked to denoise."""

    lora_layers = ("qkv",)

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 8)
        self.qkv.weight.data = 0.3 * randn(8, 8)
        self.qkv.bias.data.zero_()
        self.calls: list[tuple[Tensor, Tensor, TextEmbedding, object]] = []

    def predict(
        self, noised: Tensor, noise_levels: Tensor, text: TextEmbedding, past: object, recall: object = None
    ) -> Tensor:
        self.calls.append((noised.detach().clone(), noise_levels.clone(), text, past))
        return self.qkv(noised)


def test_equation_3_noises_every_frame_and_knows_neither_past_nor_action() -> None:
    spy = Spy()
    learner, window = learner_of(spy, updates_per_chunk=2, noise_draws=3), windows(2)
    learner.learn(learner.fresh([5, 6]), window)
    assert len(spy.calls) == 2 + 2  # two updates, and the guard's look with and without the memory
    for noised, at, text, past in spy.calls:
        assert past is None
        assert not text.tokens.any()
        assert noised.shape == (6, 8, 8, 8, 8)
        assert at.shape == (6, 8)
        assert torch.equal(at, at[:, :1].expand(6, 8))  # one level a window, drawn above 0
        assert at.min() > 0
        assert at[:, 0].unique().numel() == 6
        share = 1 - at[..., None, None, None]
        noise = (noised - share * window.repeat_interleave(3, 0)) / at[..., None, None, None]
        # What was added to each frame is unit noise, another one each time.
        assert noise.flatten(2).std(2).sub(1).abs().max() < 0.2
        assert (noise[:, 1:] - noise[:, :-1]).abs().amax((2, 3, 4)).min() > 0.1
    first, second = spy.calls[0][0], spy.calls[1][0]
    assert not torch.equal(first, second)  # each update draws anew


@pytest.mark.parametrize(("optimizer", "learning_rate"), [("sgd", 1.0), ("adam", 3e-3)])
def test_a_chunk_is_as_many_optimiser_steps_on_equation_3(optimizer: Any, learning_rate: float) -> None:
    # The same steps written out: LoRA as explicit weights, torch's optimiser on them, losses from the objective.
    net, window, draws = transformer().requires_grad_(False), windows(1), 2
    learner = learner_of(net, optimizer=optimizer, updates_per_chunk=3, noise_draws=draws, learning_rate=learning_rate)
    memory = learner.fresh([5])
    by_hand = {name: (down[0].detach().clone(), up[0].detach().clone()) for name, (down, up) in memory.factors.items()}
    parts = [part.requires_grad_() for pair in by_hand.values() for part in pair]
    step = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](parts, lr=learning_rate)

    class Explicit:
        def predict(self, *arguments: Any) -> Tensor:
            weights = {
                f"{name}.weight": net.get_submodule(name).weight + up @ down for name, (down, up) in by_hand.items()
            }
            wrapped = {f"net.{name}": value for name, value in weights.items()}
            return functional_call(Caller(net), wrapped, arguments)

    for chunk in range(2):
        generator = torch.Generator().manual_seed(mixed_seed(5, LEARNING_NOISE, chunk))
        for _ in range(3):
            noise = torch.randn((draws, 8, 8, 8, 8), generator=generator)
            at = frame_levels(draw_noise_levels((draws,), generator), 8)
            both = window.repeat(draws, 1, 1, 1, 1)
            loss = unmasked_loss(Explicit(), Noising(), both, noise, at, TextEncoder.null(draws)).mean()
            step.zero_grad()
            loss.backward()
            step.step()
        learner.learn(memory, window)
    for name, (down, up) in memory.factors.items():
        torch.testing.assert_close(down[0], by_hand[name][0], rtol=1e-3, atol=2e-5, msg=name)
        torch.testing.assert_close(up[0], by_hand[name][1], rtol=1e-3, atol=2e-5, msg=name)
        assert up.abs().max() > 1e-3


class Caller(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *arguments: Any) -> Tensor:
        return self.net.predict(*arguments)


@pytest.mark.parametrize(
    ("family", "optimizer", "learning_rate"),
    [
        ("VideoTransformer", "adam", 1e-3),
        ("VideoTransformer", "sgd", 1.0),
        ("UNet3DDenoiser", "adam", 1e-3),
        ("WanDenoiser", "adam", 1e-3),
    ],
)
def test_episodes_side_by_side_learn_what_they_would_alone(family: str, optimizer: Any, learning_rate: float) -> None:
    net = FAMILIES[family]()
    lora = RANK_4 if family == "VideoTransformer" else ATTENTION
    settings = {"optimizer": optimizer, "learning_rate": learning_rate, "updates_per_chunk": 2, "noise_draws": 2}
    learner = learner_of(net, lora=lora, **settings)
    seeds = [5, 6, 7]
    together, alone = learner.fresh(seeds), [learner.fresh([seed]) for seed in seeds]
    for chunk, frames in enumerate((3, 4)):  # the first window holds a single start frame
        window = windows(3, seed=chunk, frames=frames)
        report = learner.learn(together, window)
        for row, memory in enumerate(alone):
            single = learner.learn(memory, window[row : row + 1])
            for name in ("loss_without_memory", "loss_with_memory"):
                torch.testing.assert_close(getattr(report, name)[row], getattr(single, name)[0], rtol=1e-4, atol=1e-5)
    noised, at = windows(3, seed=9, frames=2), torch.full((3, 2), 0.5)
    with torch.no_grad():
        base = net.predict(noised, at, TextEncoder.null(3), None)
        with learner.applied(together):
            said = net.predict(noised, at, TextEncoder.null(3), None)
        for row, memory in enumerate(alone):
            with learner.applied(memory):
                single_said = net.predict(noised[row : row + 1], at[row : row + 1], TextEncoder.null(1), None)
            torch.testing.assert_close(said[row : row + 1], single_said, rtol=1e-3, atol=1e-4)
    assert (said - base).abs().amax((1, 2, 3, 4)).min() > 1e-3


def test_learning_lowers_the_loss_on_what_was_seen() -> None:
    net = transformer()
    learner, window = learner_of(net, updates_per_chunk=5, noise_draws=4), windows(1)
    memory, before, other_before = learner.fresh([0]), loss_on(net, window), loss_on(net, windows(1, seed=3))
    for _ in range(4):
        report = learner.learn(memory, window)
    with learner.applied(memory):
        after = loss_on(net, window)
        other_after = loss_on(net, windows(1, seed=3))
    assert after < 0.95 * before
    assert before - after > 1.2 * (other_before - other_after)  # part of it is about this very window
    assert float(report.loss_with_memory) < float(report.loss_without_memory)
    assert memory.rollbacks == [0]


def test_a_fresh_memory_changes_nothing_bit_for_bit_and_a_used_one_goes_without_trace() -> None:
    net, noised, at, null = transformer(), windows(1, frames=2), torch.full((1, 2), 0.5), TextEncoder.null(1)
    learner = learner_of(net)
    memory = learner.fresh([0])
    with torch.no_grad():
        base = net.predict(noised, at, null, None)
        with learner.applied(memory):
            assert torch.equal(net.predict(noised, at, null, None), base)
        learner.learn(memory, windows(1))
        with learner.applied(memory):
            assert not torch.equal(net.predict(noised, at, null, None), base)
        assert torch.equal(net.predict(noised, at, null, None), base)


def test_slow_weights_are_left_as_they_were() -> None:
    net = transformer()
    for index, parameter in enumerate(net.parameters()):
        parameter.requires_grad_(index % 2 == 0)
    flags = [parameter.requires_grad for parameter in net.parameters()]
    before = [(parameter.data_ptr(), parameter.detach().clone()) for parameter in net.parameters()]
    learner = learner_of(net, updates_per_chunk=2)
    memory = learner.fresh([0, 1])
    with torch.no_grad():  # a session may run inside such a block; learning needs gradients all the same
        learner.learn(memory, windows(2))
    assert any(up.any() for _, up in memory.factors.values())
    assert [parameter.requires_grad for parameter in net.parameters()] == flags
    for parameter, (place, value) in zip(net.parameters(), before, strict=True):
        assert parameter.grad is None
        assert parameter.data_ptr() == place
        assert torch.equal(parameter, value)
    assert all(parameter.grad is None for parameter in memory.parameters)


def test_flags_come_back_after_an_error() -> None:
    net = transformer()
    learner = learner_of(net)
    with pytest.raises(RuntimeError):
        learner.learn(learner.fresh([0]), torch.zeros(1, 8, 3, 8, 8))  # three channels: no such latents
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())


def test_the_same_seed_learns_the_same_and_chunks_differ() -> None:
    learner, window = learner_of(transformer()), windows(1)
    memories = [learner.fresh([seed]) for seed in (3, 3, 4)]
    for memory in memories:
        learner.learn(memory, window)
    assert all(torch.equal(*pair) for pair in zip(values(memories[0]), values(memories[1]), strict=True))
    assert not torch.equal(values(memories[0])[1], values(memories[2])[1])
    spy = Spy()
    learner = learner_of(spy)
    memory = learner.fresh([0])
    learner.learn(memory, window)
    learner.learn(memory, window)
    assert not torch.equal(spy.calls[0][0], spy.calls[3][0])


@pytest.mark.parametrize(("optimizer", "learning_rate"), [("adam", 1e4), ("adam", 1e30), ("sgd", 1e6)])
def test_the_guard_takes_back_a_memory_that_diverges(optimizer: Any, learning_rate: float) -> None:
    learner = learner_of(transformer(), optimizer=optimizer, learning_rate=learning_rate, updates_per_chunk=3)
    memory = learner.fresh([0])
    fresh = [part.detach().clone() for part in memory.parameters]
    report = learner.learn(memory, windows(1))
    assert report.rolled_back.tolist() == [True]
    assert memory.rollbacks == [1]
    assert all(torch.equal(*pair) for pair in zip(memory.parameters, fresh, strict=True))
    assert not any(moments.any() for moments in flat(memory.states())[len(fresh) :])


def test_the_guard_takes_back_one_chunk_and_no_more() -> None:
    # Adam's moments too: the memory goes on as if the chunk had not been learned.
    learner, memory = learner_of(transformer()), None
    memory = learner.fresh([0])
    learner.learn(memory, windows(1))
    before = values(memory)
    assert len(before) == 4 * len(memory.parameters)  # two moments and the count of steps
    report = learner.learn(memory, torch.full((1, 8, 8, 8, 8), math.nan))
    assert report.rolled_back.tolist() == [True]
    assert all(torch.equal(*pair) for pair in zip(values(memory), before, strict=True))
    report = learner.learn(memory, windows(1, seed=2))
    assert report.rolled_back.tolist() == [False]
    assert report.loss_with_memory.isfinite().all()
    assert not torch.equal(values(memory)[1], before[1])
    assert (memory.num_chunks, memory.rollbacks) == (3, [1])


@pytest.mark.parametrize("defect", ["not a number", "far too large"])
def test_the_guard_takes_back_that_episode_and_no_other(defect: str) -> None:
    too_large = defect == "far too large"  # for gradient descent on a linear network
    learner = learner_of(Spy() if too_large else transformer(), optimizer="sgd" if too_large else "adam")
    memory, alone = learner.fresh([5, 6, 7]), learner.fresh([7])
    learner.learn(memory, windows(3))
    learner.learn(alone, windows(3)[2:])
    before, window = values(memory, 1), windows(3, seed=1)
    window[1] = 1000 * window[1] if too_large else math.nan
    report = learner.learn(memory, window)
    learner.learn(alone, window[2:])
    assert report.rolled_back.tolist() == [False, True, False]
    assert memory.rollbacks == [0, 1, 0]
    assert all(torch.equal(*pair) for pair in zip(values(memory, 1), before, strict=True))
    for together, single in zip(values(memory, 2), values(alone, 0), strict=True):
        torch.testing.assert_close(together, single, rtol=1e-2, atol=1e-4)
    assert all(each.isfinite().all() for each in flat(memory.states()))


def test_an_episode_that_was_taken_back_goes_on_as_it_would_alone() -> None:
    # The optimiser's count of steps too: after a chunk taken back, both go on with the same next chunk.
    learner = learner_of(transformer())
    memory, alone = learner.fresh([5, 6, 7]), learner.fresh([6])
    for number, window in enumerate(windows(3, seed=seed) for seed in range(3)):
        if number == 1:
            window[1] = math.nan
        learner.learn(memory, window)
        learner.learn(alone, window[1:2])
    assert memory.rollbacks == [0, 1, 0]
    counts = [{int(each) for each in state if each.dim() == 0} for state in memory.states()]
    assert counts == [{3}, {2}, {3}]
    for together, single in zip(values(memory, 1), values(alone, 0), strict=True):
        torch.testing.assert_close(together, single, rtol=1e-2, atol=1e-4)


def test_the_guards_ratio_is_read() -> None:
    # A learning rate that makes things somewhat worse: a lenient guard keeps the memory, a strict one does not.
    outcomes = {}
    for ratio in (1.001, 1e9):
        learner = learner_of(Spy(), learning_rate=1.0, guard_ratio=ratio)
        outcomes[ratio] = learner.learn(learner.fresh([0]), windows(1))
    strict, lenient = outcomes[1.001], outcomes[1e9]
    assert torch.equal(strict.loss_with_memory, lenient.loss_with_memory)
    assert float(strict.loss_with_memory) > 1.001 * float(strict.loss_without_memory)
    assert (strict.rolled_back.tolist(), lenient.rolled_back.tolist()) == ([True], [False])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "lion"}, "'lion'.*adam or sgd"),
        ({"updates_per_chunk": 0}, "got 0 and 1"),
        ({"noise_draws": 0}, "got 1 and 0"),
        ({"learning_rate": 0.0}, "above 0, got 0.0"),
        ({"learning_rate": math.nan}, "above 0, got nan"),
        ({"guard_ratio": 1.0}, "above 1, got 1.0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        FastLearningConfig(**settings)
