"""Where am I: composition in the plane, steps that walls refuse, and addresses that close after a full turn."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import randn

from slowfast_vgen.errors import UserError
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.addressing.path import PlanarPath, compose, motions_between
from slowfast_vgen.models.addressing.retrace import SAME_PLACE, way_back, ways_back
from slowfast_vgen.models.text import TextEncoder

STEP = 2 * math.pi / 16


def told(path: PlanarPath, motion: tuple[float, float, float]) -> None:
    """Makes the path say one motion whatever the text is."""
    torch.nn.init.zeros_(path.motion[-1].weight)
    path.motion[-1].bias.data = torch.tensor(motion)


@given(st.lists(st.tuples(*[st.floats(-3, 3)] * 3), min_size=1, max_size=12))
def test_motions_undo_composition(motions: list[tuple[float, float, float]]) -> None:
    given_motions = torch.tensor(motions, dtype=torch.float64)
    start = torch.tensor([0.3, -2.0, 0.7], dtype=torch.float64)
    poses = torch.cat([start[None], compose(start, given_motions)])
    torch.testing.assert_close(motions_between(poses), given_motions, rtol=0, atol=1e-9)


def test_turns_and_steps_do_not_commute() -> None:
    forward, turn = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, math.pi / 2])
    one = compose(torch.zeros(3), torch.stack([forward, turn]))[-1]
    other = compose(torch.zeros(3), torch.stack([turn, forward]))[-1]
    torch.testing.assert_close(one, torch.tensor([1.0, 0.0, math.pi / 2]))
    torch.testing.assert_close(other, torch.tensor([0.0, 1.0, math.pi / 2]))


def test_composition_in_pieces_is_composition_at_once() -> None:
    motions = randn(2, 10, 3)
    start = randn(2, 3, seed=1)
    whole = compose(start, motions)
    first = compose(start, motions[:, :6])
    second = compose(first[:, -1], motions[:, 6:])
    torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=0, atol=1e-5)


def test_a_refused_step_does_not_count_but_a_turn_does(text_encoder: TextEncoder) -> None:
    path = PlanarPath()
    told(path, (1.0, 0.0, 0.5))
    text = text_encoder(["go forward"])
    last, new = randn(1, 1, 8, 8, 8), randn(1, 4, 8, 8, 8, seed=1)
    new[:, 2] = new[:, 1]  # the third frame shows the second once more: a wall
    with torch.no_grad():
        poses = path.followed(torch.zeros(1, 1, 3), text, last, new)
    torch.testing.assert_close(poses[0, :, 2], torch.tensor([0.5, 1.0, 1.5, 2.0]))
    moved = poses[0, :, :2].diff(dim=0).norm(dim=-1)
    torch.testing.assert_close(moved, torch.tensor([1.0, 0.0, 1.0]))


@given(st.lists(st.sampled_from([(1.0, 0.0, 0.0), (0.0, 0.0, STEP), (0.0, 0.0, -STEP), (-1.0, 0.0, 0.0)]), max_size=40))
def test_a_trail_has_no_loops_and_leads_back_to_the_start(motions: list[tuple[float, float, float]]) -> None:
    start = torch.tensor([[5.0, -3.0, 40.0]], dtype=torch.float64)
    path = torch.cat([start, compose(start[0], torch.tensor(motions, dtype=torch.float64).view(-1, 3))])
    back = way_back(path[None], 45)[0]
    torch.testing.assert_close(back[-1], start[0])
    steps = motions_between(torch.cat([path[-1:], back])).abs()
    # Each frame of the way back undoes one frame, but for cuts between near places.
    assert steps.max() < 1 + 2 * SAME_PLACE
    moving = int((steps > 1e-6).any(1).sum())
    places = {tuple(pose) for pose in torch.cat([path[-1:], back[:moving]]).mul(1000).round().int().tolist()}
    assert len(places) == moving + 1 <= len(motions) + 1


def test_the_way_back_goes_on_chunk_by_chunk_and_a_text_asks_for_it(text_encoder: TextEncoder) -> None:
    path = PlanarPath(retrace=True)
    told(path, (1.0, 0.0, 0.0))
    text = text_encoder(["retrace your steps", "go forward"])
    embedded = text.pooled() * path.text_dim**0.5
    path.retrace.weight.data = (embedded[:1] - embedded[1:]) / (embedded[0] - embedded[1]).square().sum()
    path.retrace.bias.data = -path.retrace(embedded).mean().detach()[None]
    walked = compose(torch.zeros(2, 3), torch.tensor([1.0, 0.0, 0.0]).repeat(2, 8, 1))
    with torch.no_grad():
        ahead = path.predicted(walked, text, 4)
        again = path.predicted(torch.cat([walked, ahead], 1), text, 4)
        frames = randn(2, 1, 8, 8, 8)
        still = path.followed(walked, text, frames, frames.expand(-1, 4, -1, -1, -1))
    assert ahead[0, :, 0].tolist() == [7, 6, 5, 4] and again[0, :, 0].tolist() == [3, 2, 1, 1]
    assert ahead[1, :, 0].tolist() == [9, 10, 11, 12]
    assert torch.equal(still[0], ahead[0]) and still[1, :, 0].tolist() == [8] * 4  # a trail was free, a wall is none
    whole = walked[:1].unflatten(1, (2, 4))
    assert ways_back(whole, 4)[0, :, :, 0].tolist() == [[3, 2, 1, 1], [7, 6, 5, 4]]
    assert torch.isinf(path.retrace_logits(TextEncoder.null(1))).all()
    assert torch.isinf(PlanarPath().retrace_logits(text)).all()


def test_no_text_is_no_motion() -> None:
    path = PlanarPath()
    told(path, (1.0, 2.0, 3.0))
    assert not path.motions(TextEncoder.null(2)).any()


@pytest.fixture(scope="module")
def address() -> PlanarAddress:
    return PlanarAddress(key_width=2048)


def test_addresses_have_length_one_and_close_after_a_full_turn(address: PlanarAddress) -> None:
    poses = torch.cat([randn(20, 2), 7 * torch.rand(20, 1)], dim=1)
    keys = address(poses)
    assert keys.shape == (20, 4, 2048)
    torch.testing.assert_close(keys.norm(dim=-1), torch.ones(20, 4), rtol=0, atol=1e-4)
    around = poses + torch.tensor([0.0, 0.0, 2 * math.pi])
    torch.testing.assert_close(address(around), keys, rtol=0, atol=1e-4)


def test_a_patch_is_found_in_the_next_column_after_a_small_turn(address: PlanarAddress) -> None:
    keys = address(torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, STEP], [6.0, 0.0, 0.0], [0.0, 0.0, math.pi]]))
    same = keys[0] @ keys[1].T  # the camera turned left, so what was in column 1 is in column 2
    assert same[1, 2] > 0.6
    assert same.argmax(dim=1).tolist() == [1, 2, 3, 3]
    assert (keys[0] @ keys[2].T).diagonal().max() < 0.6
    assert (keys[0] @ keys[3].T).abs().max() < 0.2


def test_addresses_do_not_hang_on_where_the_origin_is(address: PlanarAddress) -> None:
    poses = torch.cat([randn(5, 2), randn(5, 1, seed=2)], dim=1)
    moved = poses + torch.tensor([100.0, -50.0, 1.0])
    near, far = (address(each).flatten(0, 1) for each in (poses, moved))
    assert (near @ near.T - far @ far.T).abs().max() < 0.25  # random features: alike, not equal


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"key_width": 7}, "even number from 2 to 65536, got 7"),
        ({"key_width": 0}, "even number from 2 to 65536, got 0"),
        ({"place_widths": (1.0, 0.0)}, "must all be above 0"),
        ({"ray_width_degrees": -1.0}, "must all be above 0"),
        ({"num_columns": 0}, "1 to 4096 columns, got 0"),
        ({"fov_degrees": 180.0}, "between 0 and 180 degrees, got 180"),
        ({"step_units": 0.0}, "above 0 and finite, got 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        PlanarAddress(**settings)  # type: ignore[arg-type]


def test_addresses_are_fitted_to_frames_of_other_columns(address: PlanarAddress) -> None:
    told(address.path, (1.0, 0.0, 0.1))
    assert address.fitted(8, 4) is address
    wide = address.fitted(16, 8)
    assert wide(torch.zeros(1, 3)).shape == (1, 8, 2048)
    assert torch.equal(wide.path.motion[-1].bias, address.path.motion[-1].bias)
    odd = address.fitted(9, 5)  # ten latents' worth of columns, nine of them in the frame
    half = math.tan(math.radians(89.7) / 2)
    expected = [-math.atan(half * ((2 * column + 1) / 9 * 2 - 1)) for column in range(5)]
    assert odd.rays.columns.tolist() == pytest.approx(expected, abs=1e-6)
    assert odd.fitted(8, 4).rays.columns.tolist() == pytest.approx(address.rays.columns.tolist())
