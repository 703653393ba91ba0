"""The ridge rule: exact recall, its causal form over a whole episode, adding, subtracting and known places."""

import pytest
import torch
import torch.nn.functional as F
from tiny import randn
from torch import Tensor

from slowfast_vgen.memory.columns import from_columns, to_columns
from slowfast_vgen.memory.ridge import RidgeConfig, RidgeState, causal_reading, familiar_weights

KEY_WIDTH, VALUE_WIDTH = 48, 7


def keys_of(episodes: int, entries: int, seed: int = 0) -> Tensor:
    return F.normalize(randn(episodes, entries, KEY_WIDTH, seed=seed), dim=-1)


def state_of(episodes: int = 1, **settings: object) -> RidgeState:
    return RidgeState(episodes, KEY_WIDTH, VALUE_WIDTH, RidgeConfig(**settings))  # type: ignore[arg-type]


def written(state: RidgeState, keys: Tensor, values: Tensor) -> Tensor:
    return state.write(state.factor(), keys, values)


def test_reading_is_ridge_regression_on_all_that_was_written() -> None:
    keys, values, queries = keys_of(2, 20), randn(2, 20, VALUE_WIDTH), keys_of(2, 5, seed=1)
    state = state_of(2, familiar=0.0, ridge=0.3)
    for part in range(4):
        written(state, keys[:, 5 * part : 5 * part + 5], values[:, 5 * part : 5 * part + 5])
    read, novelty = state.read(state.factor(), queries)
    for row in range(2):
        regular = keys[row].T @ keys[row] + 0.3 * torch.eye(KEY_WIDTH)
        expected = queries[row] @ torch.linalg.solve(regular, keys[row].T @ values[row])
        torch.testing.assert_close(read[row], expected, rtol=0, atol=1e-5)
        variance = 0.3 * (queries[row] @ torch.linalg.inv(regular) * queries[row]).sum(-1)
        torch.testing.assert_close(novelty[row], variance, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rule", ["least-squares", "delta"])
def test_what_was_written_is_read_again_and_nothing_elsewhere(rule: str) -> None:
    keys, values = keys_of(1, 16), randn(1, 16, VALUE_WIDTH)
    state = state_of(rule=rule, ridge=0.01)
    _, before = state.read(state.factor(), keys)
    torch.testing.assert_close(before, torch.ones(1, 16))
    written(state, keys, values)
    read, novelty = state.read(state.factor(), keys)
    assert (read - values).square().mean() < 0.01
    assert novelty.max() < 0.05
    away = torch.linalg.qr(keys[0].T, mode="complete")[0][:, 16:].T[None]  # at right angles to every key
    read, novelty = state.read(state.factor(), away)
    assert read.abs().max() < 1e-4
    assert novelty.min() > 0.999


def test_a_whole_episode_read_at_once_is_the_memory_step_by_step() -> None:
    chunks, per_chunk = 6, 5
    keys, values, queries = keys_of(2, 30), randn(2, 30, VALUE_WIDTH), keys_of(2, 18, seed=1)
    entry_chunk = torch.arange(chunks).repeat_interleave(per_chunk)
    query_chunk = torch.arange(chunks).repeat_interleave(3)
    weights, novelty = causal_reading(keys, queries, entry_chunk, query_chunk, 0.05)
    state = state_of(2, familiar=0.0)
    for chunk in range(chunks):
        rows = slice(per_chunk * chunk, per_chunk * (chunk + 1))
        written(state, keys[:, rows], values[:, rows])
        read, new = state.read(state.factor(), queries[:, 3 * chunk : 3 * chunk + 3])
        torch.testing.assert_close((weights @ values)[:, 3 * chunk : 3 * chunk + 3], read, rtol=0, atol=1e-4)
        torch.testing.assert_close(novelty[:, 3 * chunk : 3 * chunk + 3], new, rtol=0, atol=1e-5)
    later = entry_chunk[None, :] > query_chunk[:, None]
    assert not weights[:, later].any(), "no query reads what was written after it"


def test_what_counts_less_at_a_known_place_is_told_for_a_whole_episode_at_once() -> None:
    keys = keys_of(2, 20)
    keys[0, 10:] = keys[0, :10]  # seen again
    keys[1] = keys[1, :5].repeat(4, 1)  # a camera that stands still
    values, chunk = randn(2, 20, VALUE_WIDTH), torch.arange(4).repeat_interleave(5)
    state = state_of(2)
    steps = [written(state, keys[:, 5 * part :][:, :5], values[:, 5 * part :][:, :5]) for part in range(4)]
    weights = familiar_weights(keys, chunk, 0.05, 0.15)
    torch.testing.assert_close(weights, torch.cat(steps, 1), rtol=0, atol=1e-4)
    assert (weights[1, 5:] < 0.2).all() and (weights[0, :10] > 0.5).all()
    root = weights.sqrt()
    reading, _ = causal_reading(keys * root[..., None], keys, chunk, chunk, 0.05)
    last = state.read(state.factor(), keys[:, 15:])[0]
    torch.testing.assert_close(((reading * root[:, None]) @ values)[:, 15:], last, rtol=0, atol=1e-4)


def test_a_known_place_is_not_painted_over() -> None:
    keys, first, second = keys_of(1, 8), randn(1, 8, VALUE_WIDTH), randn(1, 8, VALUE_WIDTH, seed=1)

    def after_two_visits(**settings: float) -> Tensor:
        state = state_of(**settings)
        written(state, keys, first)
        for _ in range(5):
            written(state, keys, second)
        return state.read(state.factor(), keys)[0]

    kept, mixed = after_two_visits(familiar=0.15), after_two_visits(familiar=0.0)
    assert (kept - first).square().mean() < 0.2 * (kept - second).square().mean()
    assert (mixed - first).square().mean() > (mixed - second).square().mean()


def test_the_delta_rule_takes_the_latest_word() -> None:
    keys, first, second = keys_of(1, 8), randn(1, 8, VALUE_WIDTH), randn(1, 8, VALUE_WIDTH, seed=1)
    state = state_of(rule="delta", familiar=0.0, ridge=0.01)
    written(state, keys, first)
    written(state, keys, second)
    assert (state.read(state.factor(), keys)[0] - second).square().mean() < 0.01


@pytest.mark.parametrize("rule", ["least-squares", "delta"])
def test_forgetting_makes_old_places_fade(rule: str) -> None:
    keys, values = keys_of(1, 8), randn(1, 8, VALUE_WIDTH)

    def later(forgetting: float) -> Tensor:
        state = state_of(rule=rule, forgetting=forgetting, ridge=0.2)
        written(state, keys, values)
        for chunk in range(10):
            written(state, keys_of(1, 2, seed=5 + chunk), randn(1, 2, VALUE_WIDTH, seed=chunk))
        return (state.read(state.factor(), keys)[0] * values).sum()

    assert later(0.3) < 0.8 * later(0.0)


@pytest.mark.parametrize("forgetting", [0.0, 0.1])
def test_unwriting_takes_out_what_was_written(forgetting: float) -> None:
    with_it, without = state_of(forgetting=forgetting, familiar=0.0), state_of(forgetting=forgetting, familiar=0.0)
    chunks = [(keys_of(1, 6, seed=seed), randn(1, 6, VALUE_WIDTH, seed=seed)) for seed in range(3)]
    weights = [written(with_it, *chunk) for chunk in chunks]
    written(without, *chunks[0])
    without.gram *= 1 - forgetting
    without.cross *= 1 - forgetting
    written(without, *chunks[2])
    alone = with_it.empty()
    alone.add(*chunks[1], weights[1])
    alone.decay()
    rest = with_it.less(alone)
    torch.testing.assert_close(rest.gram, without.gram, rtol=0, atol=1e-5)
    torch.testing.assert_close(rest.cross, without.cross, rtol=0, atol=1e-5)


def test_gradients_reach_what_was_written() -> None:
    keys, queries = keys_of(1, 10), keys_of(1, 4, seed=1)
    values = randn(1, 10, VALUE_WIDTH).requires_grad_()
    chunk = torch.arange(2)
    weights, _ = causal_reading(keys, queries, chunk.repeat_interleave(5), chunk.repeat_interleave(2), 0.05)
    (weights @ values)[:, :2].sum().backward()
    assert values.grad is not None
    assert values.grad[:, :5].any()
    assert not values.grad[:, 5:].any()


def test_columns_come_back_as_frames() -> None:
    latents, features = randn(2, 3, 8, 8, 8), randn(2, 3, 4, 4, 5)
    columns = to_columns(latents, features, 4)
    assert columns.shape == (2, 3, 4, 8 * 8 * 2 + 4 * 5)
    recall = from_columns(columns, torch.ones(2, 3, 4), (8, 8, 8), 5)
    assert torch.equal(recall.latents, latents)
    assert recall.features is not None
    assert torch.equal(recall.features, features)
    assert torch.equal(columns[:, :, 1, : 8 * 8 * 2], latents[..., 2:4].flatten(2))  # column 1 holds columns 2 and 3
    bare = from_columns(to_columns(latents, None, 2), torch.ones(2, 3, 2), (8, 8, 8), 0)
    assert torch.equal(bare.latents, latents)
    assert bare.features is None
