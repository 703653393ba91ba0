"""Planning: goals, endpoints, environments, the loop, the task vizdoom-retrace, the trial, videos, the command line."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from conftest import pack_tiny_world
from gymnasium.utils.env_checker import check_env
from made_results import by_name

from slowfast_bench.planning import runner as stage_module
from slowfast_bench.planning.arms import (
    ARMS,
    NEEDS_CONTEXT,
    NEEDS_SLOW,
    NEEDS_TRAIL,
    PATH,
    Player,
    chosen_arms,
    players,
)
from slowfast_bench.planning.rows import joined_rows
from slowfast_bench.planning.runner import Stage
from slowfast_bench.planning.tasks import open_task
from slowfast_bench.planning.trial import Trial, TrialConfig
from slowfast_bench.planning.videos import record_episodes
from slowfast_bench.planning.vizdoom_retrace import VizdoomRetrace
from slowfast_bench.results import Results
from slowfast_envs.actions import PHRASINGS, RETRACE_PHRASINGS, VERBS
from slowfast_envs.metaworld.env import MetaWorldEnv
from slowfast_envs.metaworld.instructions import CARRY, put_back_texts
from slowfast_envs.vizdoom.engine import VizdoomEngine
from slowfast_envs.vizdoom.gym_env import RoomsEnv
from slowfast_envs.walking import Place, poses_of, walk
from slowfast_vgen.cli.main import build_parser, main
from slowfast_vgen.data.video import read_video
from slowfast_vgen.errors import UserError
from slowfast_vgen.metrics.video_distance import VideoFeatures
from slowfast_vgen.models.inverse_dynamics import InverseDynamics, Readings
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.video_transformer import VideoTransformer
from slowfast_vgen.models.world_model import WorldWeights
from slowfast_vgen.plan.endpoint import EndpointSplitter, Split
from slowfast_vgen.plan.environment import put_back_of, texts_of_verbs
from slowfast_vgen.plan.goal import PUT_BACK_TEXT, RETRACE_TEXT, SubGoal, decisions, split_goal
from slowfast_vgen.plan.gym_env import from_gymnasium
from slowfast_vgen.plan.planner import Shown, plan, run_episodes
from slowfast_vgen.plan.policy import Decided, ImaginingPolicy, OraclePolicy
from slowfast_vgen.plan.reader import VerbReader
from slowfast_vgen.presets.worlds import load
from slowfast_vgen.rollout import WorldModel

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "howto" / "plan.md").read_text()
TEXTS = tuple(PHRASINGS[verb][0] for verb in VERBS)
WALKING = VizdoomRetrace.vocabulary

# --- goals ---


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ("turn left", [("turn left", 1)]),
        ("Turn left, then go forward.", [("turn left", 1), ("go forward", 1)]),
        ("turn left and then go forward twice; stay", [("turn left", 1), ("go forward", 2), ("stay", 1)]),
        ("go forward for three chunks, then turn right 12 times", [("go forward", 3), ("turn right", 12)]),
        ("turn left and go forward, turn right", [("turn left", 1), ("go forward", 1), ("turn right", 1)]),
        ("please go back", [("go back", 1)]),
        ("stay where you are", [("stay where you are", 1)]),
        ("open the red and blue doors", [("open the red and blue doors", 1)]),
        ("go back the way you came", [(RETRACE_TEXT, None)]),
        ("Go back the way you came to where you started.", [(RETRACE_TEXT, None)]),
        ("go forward, then return to the start", [("go forward", 1), (RETRACE_TEXT, None)]),
        ("retrace your steps", [(RETRACE_TEXT, None)]),
        ("backtrack", [(RETRACE_TEXT, None)]),
        ("Put everything back where it was.", [(PUT_BACK_TEXT, None)]),
        ("turn left, then return all the blocks to where they started", [("turn left", 1), (PUT_BACK_TEXT, None)]),
        ("tidy up", [(PUT_BACK_TEXT, None)]),
        ("put the blue cube back where it was", [("put the blue cube back where it was", 1)]),
        ("turn left x4", [("turn left", 4)]),
        ("3x walk on, go back twice", [("go forward", 3), ("go back", 2)]),
        ("(turn left; go forward) x2", [("turn left", 1), ("go forward", 1)] * 2),
        ("turn left x2 and go back the way you came", [("turn left", 2), (RETRACE_TEXT, None)]),
        ("return to the start, turn left", [(RETRACE_TEXT, None), ("turn left", 1)]),
        ("return to the start once", [(RETRACE_TEXT, None)]),
    ],
)
def test_goals_are_split_by_rules(goal: str, expected: list[tuple[str, int | None]]) -> None:
    assert [(one.text, one.num_chunks) for one in split_goal(goal, WALKING)] == expected


@pytest.mark.parametrize(
    ("goal", "sentence"),
    [
        (" ;. ", "holds no words"),
        ("turn left 0 times", "1 to 1000 chunks"),
        ("turn left x4000", "1 to 1000 chunks"),
        ("turn left x0", "asks for 0 chunks"),
        ("turn left -1 times", "says what not to do"),
        ("go forward, then do not go back", "'do not go back' says what not to do"),
        ("never go back the way you came", "says what not to do"),
        ("go back the way you came x2", "says how often"),
        ("turn left, then go back the way you came twice", "says how often"),
        ("return to the start for 5 chunks", "says how often"),
        ("put everything back where it was, 3 times", "says how often"),
    ],
)
def test_goals_that_cannot_be_split_are_refused(goal: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        split_goal(goal, WALKING)


def test_a_way_back_is_as_long_as_the_way_here() -> None:
    goals = [SubGoal("turn left", 2), SubGoal(RETRACE_TEXT, None)]
    assert decisions(goals, ["stay"] * 3) == ["turn left"] * 2 + [RETRACE_TEXT] * 5
    assert decisions(goals[1:], []) == [RETRACE_TEXT]
    with pytest.raises(UserError, match="at most 1000"):
        decisions([SubGoal("stay", 600), SubGoal(RETRACE_TEXT, None)], [])


def test_everything_that_was_moved_is_put_back_the_latest_first() -> None:
    led = [
        "wait",
        "push the pink cube left",
        "put the blue puck next to the pink cube",
        "carry the pink cube to (0, 0.5)",
    ]
    back = [SubGoal(PUT_BACK_TEXT, None)]
    texts = decisions(back, led, MetaWorldEnv().put_back_texts)
    assert texts == ["put the pink cube back where it was", "put the blue puck back where it was"]
    assert decisions(back, ["turn left"], put_back_texts) == [PUT_BACK_TEXT]  # nothing was moved
    assert decisions(back, led) == [PUT_BACK_TEXT]  # nothing is known of things


def test_an_environment_without_things_puts_nothing_back() -> None:
    assert put_back_of(from_gymnasium(Slider(9), SLIDES)) is None
    env = MetaWorldEnv()
    assert put_back_of(env) == env.put_back_texts


def test_all_ways_in_which_worlds_say_the_way_back_are_understood() -> None:
    for text in RETRACE_PHRASINGS:
        assert split_goal(f"turn left, then {text}", WALKING)[1:] == (SubGoal(RETRACE_TEXT, None),)
    for text in WALKING.phrasings:
        assert split_goal(text, WALKING) == (SubGoal(text),)


# --- the endpoint ---


class Server(ThreadingHTTPServer):
    """Answers every request with `reply`, a status and a body; keeps what it was asked."""

    reply: tuple[int, bytes] = (200, b"")
    delay = 0.0

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        time.sleep(self.server.delay)
        status, reply = self.server.reply
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/v1")
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def chat(content: str) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


def test_an_endpoint_splits_goals(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOWFAST_API_KEY", "secret")
    told = [("turn left", 2), (RETRACE_TEXT, None), (PUT_BACK_TEXT, None)]
    sub_goals = [{"text": text, "chunks": chunks} for text, chunks in told]
    server.reply = 200, chat("```json\n" + json.dumps({"sub_goals": sub_goals}) + "\n```")
    split = EndpointSplitter(server.url, "some-model").split("look about and come back", TEXTS)
    assert split == Split(tuple(SubGoal(text, chunks) for text, chunks in told))
    path, headers, body = server.asked[0]
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer secret"
    assert body["model"] == "some-model" and body["messages"][1]["content"] == "look about and come back"
    assert all(text in body["messages"][0]["content"] for text in (*TEXTS, RETRACE_TEXT, PUT_BACK_TEXT))


NONSENSE = {
    "no JSON": (200, b"<html>"),
    "no text": (200, b"\xff\xfe"),
    "no choices": (200, b'{"error": "busy"}'),
    "prose": (200, chat("First turn left.")),
    "a list": (200, chat('["turn left"]')),
    "empty": (200, chat('{"sub_goals": []}')),
    "another kind": (200, chat('{"sub_goals": [{"text": 1, "chunks": 2}]}')),
    "another key": (200, chat('{"sub_goals": [{"text": "stay", "count": 2}]}')),
    "no count": (200, chat('{"sub_goals": [{"text": "stay", "chunks": null}]}')),
    "a true count": (200, chat('{"sub_goals": [{"text": "stay", "chunks": true}]}')),
    "a large count": (200, chat('{"sub_goals": [{"text": "stay", "chunks": 100000}]}')),
    "an empty text": (200, chat('{"sub_goals": [{"text": " ", "chunks": 1}]}')),
    "another text": (200, chat('{"sub_goals": [{"text": "fly to the moon", "chunks": 1}]}')),
    "a template": (200, chat('{"sub_goals": [{"text": "carry the {block} to ({x}, {y})", "chunks": 1}]}')),
    "nested": (200, b"[" * 100_000),
    "too long": (200, b" " * (2 << 20)),
    "an error": (500, b"oops"),
    "a redirection": (302, b""),
}


def test_an_endpoint_may_fill_in_templates_and_count_what_is_open(server: Server) -> None:
    told = [{"text": "carry the blue cube to (0.1, 0.6)", "chunks": 1}, {"text": PUT_BACK_TEXT, "chunks": 1}]
    server.reply = 200, chat(json.dumps({"sub_goals": told}))
    split = EndpointSplitter(server.url, "m").split("tidy up", (CARRY,))
    assert split == Split((SubGoal("carry the blue cube to (0.1, 0.6)"), SubGoal(PUT_BACK_TEXT, None)))


def test_the_key_is_told_to_nobody_else(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.reply = 200, chat('{"sub_goals": []}')
    for key in ("top secret\n", "top\nsecret"):
        monkeypatch.setenv("SLOWFAST_API_KEY", key)
        assert "secret" not in EndpointSplitter(server.url, "m").split("turn left", TEXTS).warning
    assert [headers["Authorization"] for _, headers, _ in server.asked] == ["Bearer top secret"]


@pytest.mark.parametrize("kind", NONSENSE)
def test_where_the_endpoint_answers_nonsense_the_rules_split(server: Server, kind: str) -> None:
    server.reply = NONSENSE[kind]
    split = EndpointSplitter(server.url, "m").split("turn left twice", (*TEXTS, CARRY))
    assert split.sub_goals == (SubGoal("turn left", 2),)
    assert split.warning.startswith(f"the endpoint {server.url} gave no sub-goals (")
    assert split.warning.endswith("so the rules split the goal") and "\n" not in split.warning
    assert len(server.asked) == 1


def test_where_the_endpoint_is_down_or_slow_the_rules_split(server: Server, free_port: Callable[[], int]) -> None:
    down = EndpointSplitter(f"http://127.0.0.1:{free_port()}/v1", "m").split("turn left", TEXTS)
    assert down.sub_goals == (SubGoal("turn left"),) and "refused" in down.warning
    server.delay = 1.0
    begun = time.monotonic()
    slow = EndpointSplitter(server.url, "m", seconds=0.2).split("turn left", TEXTS)
    assert slow.sub_goals == (SubGoal("turn left"),) and "timed out" in slow.warning
    assert time.monotonic() - begun < 0.9


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (("localhost:8000", "m"), "no address"),
        (("file:///etc/passwd", "m"), "no address"),
        (("http://[::1", "m"), "no address"),
        (("http://h/v1", " "), "--endpoint-model"),
        (("http://h/v1", "m", "KEY", 0.0), "0 and 3600 seconds"),
    ],
)
def test_endpoints_that_cannot_be_are_refused(settings: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        EndpointSplitter(*settings)


# --- environments ---


class Slider(gymnasium.Env[np.ndarray, np.int64]):
    """A white bar on black, 48x48, that slides to the left or to the right; at the right border it is over."""

    action_space: Any = gymnasium.spaces.Discrete(3, start=5)
    observation_space: Any = gymnasium.spaces.Box(0, 255, (48, 48, 3), np.uint8)

    def __init__(self, breaks_at: int = 10**6) -> None:
        self.breaks_at, self.taken = breaks_at, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.x = 20
        return self.render(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        assert self.action_space.contains(np.int64(action))
        self.taken += 1
        if self.taken >= self.breaks_at:
            raise RuntimeError("the bar\nfell off")
        self.x = max(0, self.x + (-2, 0, 2)[int(action) - 5])
        return self.render(), 0.0, self.x >= 40, False, {}

    def render(self) -> Any:
        picture = np.zeros((48, 48, 3), np.uint8)
        picture[:, self.x : self.x + 8] = 255
        return picture


SLIDES = ("slide left", "stay", "slide right")


class BarReader(InverseDynamics):
    """Reads where the bar slides, by looking."""

    def __init__(self) -> None:
        super().__init__(("slide_left", "slide_right", "stay"), width=16)

    def read(self, frames: torch.Tensor) -> Readings:
        columns = torch.arange(frames.shape[3]).float()
        brightness = frames.float().mean((2, 4)) + 1e-3
        moved = ((brightness * columns).sum(-1) / brightness.sum(-1)).diff(dim=1).sum(1)
        verbs = ["stay" if abs(by) < 0.5 else "slide_right" if by > 0 else "slide_left" for by in moved.tolist()]
        return Readings(verbs, np.ones(len(verbs)))


def bar_reader() -> VerbReader:
    return VerbReader(BarReader(), SLIDES)


def test_any_gymnasium_environment_can_be_acted_in() -> None:
    environment = from_gymnasium(Slider(), SLIDES, frames_per_chunk=3, size=(64, 64))
    start = environment.reset(0)
    assert start.shape == (1, 64, 64, 3)
    moved = environment.act("slide right")
    assert moved.shape == (3, 64, 64, 3) and environment.env.x == 26  # type: ignore[attr-defined]
    assert np.array_equal(environment.act("slide left")[-1], start[0])
    environment.env.x = 38  # type: ignore[attr-defined]
    last = environment.act("slide right")
    assert environment.ended and np.array_equal(last[0], last[2])
    with pytest.raises(UserError, match="is over"):
        environment.act("stay")
    assert environment.reset(0) is not None and not environment.ended
    rendered = from_gymnasium(Slider(), SLIDES, size=(48, 48), image="render")
    assert np.array_equal(rendered.reset(0)[0], Slider.render(rendered.env))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"action_texts": ("left", "right")}, "3 actions but 2 texts"),
        ({"action_texts": ("left", "left", "stay")}, "3 actions but 2 texts"),
        ({"frames_per_chunk": 0}, "at least 1 frame"),
        ({"image": "dream"}, "observation or render"),
    ],
)
def test_environments_that_cannot_be_planned_in_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        from_gymnasium(Slider(), **({"action_texts": SLIDES} | settings))
    other = Slider()
    other.action_space = gymnasium.spaces.Box(0, 1, (2,))
    with pytest.raises(UserError, match="not Box"):
        from_gymnasium(other, SLIDES)
    with pytest.raises(UserError, match="unknown action 'jump'"):
        environment = from_gymnasium(Slider(), SLIDES)
        environment.reset(0)
        environment.act("jump")


def test_verbs_stand_for_the_texts_of_the_environment() -> None:
    assert texts_of_verbs(VERBS, TEXTS) == dict(zip(VERBS, TEXTS, strict=True))
    with pytest.raises(UserError, match="reads 'turn_left', but the environment can only slide left"):
        texts_of_verbs(VERBS, SLIDES)


@pytest.mark.filterwarnings("ignore:.*Not able to test alternative render modes")
def test_rooms_are_a_gymnasium_environment() -> None:
    env = RoomsEnv(render_mode="rgb_array")
    check_env(env)
    frame, info = env.reset(seed=3)
    again, _ = env.reset(seed=3)
    assert np.array_equal(frame, again) and np.array_equal(env.render(), frame) and info["collided"] is False
    assert env.scene is not None
    place = env.place
    verbs = ["turn_left", "go_forward", "go_back"]
    frames = [frame] + [env.step(VERBS.index(verb))[0] for verb in verbs for _ in range(4)]
    play = env.engine.play(env.scene, poses_of([place])[0], verbs)
    assert np.array_equal(np.stack(frames), play.frames) and np.array_equal(env._info(False)["pose"], play.poses[-1])
    scene = env.scene
    env.reset(options={"scene": scene, "start": Place(*place)})
    collided = [env.step(VERBS.index("go_forward"))[4]["collided"] for _ in range(60)]
    assert collided[-1] and not collided[0]
    with RoomsEnv(engine=env.engine) as other:  # shares the game and does not end it
        assert np.array_equal(other.reset(options={"scene": scene, "start": place})[0], frame)
    assert np.array_equal(env.reset(options={"scene": scene, "start": place})[0], frame)
    wall = {"scene": scene, "start": Place(0, 0, 0)}
    for wrong, sentence in (({"map": 1}, "unknown option"), (wall, "camera cannot be")):
        with pytest.raises(UserError, match=sentence):
            env.reset(options=wrong)
    with pytest.raises(UserError, match="no action 5"):
        env.step(5)
    env.close()
    with pytest.raises(UserError, match="call reset first"):
        RoomsEnv().step(0)


# --- the loop ---


class Counted(ImaginingPolicy):
    """Tells what went into the memory."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.heard: list[tuple[np.ndarray, list[str]]] = []
        observe = self.stepper.observe_latents

        def heard(latents: torch.Tensor, actions: Sequence[str] | None = None) -> None:
            self.heard.append((latents.numpy(), list(actions or [])))
            observe(latents, actions)

        self.stepper.observe_latents = heard  # type: ignore[method-assign]


def sliders(count: int, breaks_at: dict[int, int] | None = None) -> list[Shown]:
    """Episodes led one chunk to the right."""
    shown = []
    for row in range(count):
        environment = from_gymnasium(Slider((breaks_at or {}).get(row, 10**6)), SLIDES)
        frames = np.concatenate([environment.reset(0), environment.act("slide right")])
        shown.append(Shown(environment, frames, ("slide right",)))
    return shown


TEXT_OF = {"slide_left": "slide left", "slide_right": "slide right", "stay": "stay"}


@pytest.mark.parametrize("feedback", ["real", "imagined"])
def test_the_memory_hears_what_was_done_or_what_was_imagined(hasty_world: WorldModel, feedback: Any) -> None:
    (player,) = players(hasty_world, None, None, ["loop"])[0]
    assert player.arm is not None
    episodes = sliders(2)
    starts = np.stack([one.frames[0] for one in episodes])
    stepper = player.arm.begin(starts, [0, 1], torch.zeros(2, 13, 3))
    policy = Counted(hasty_world, stepper, bar_reader(), feedback, starts)
    traces = run_episodes(policy, episodes, [["slide left", "stay"], ["slide left", "slide right"]])
    codec = hasty_world.model.codec
    assert policy.heard[0][1] == ["slide right"] * 2
    for number in range(2):
        latents, actions = policy.heard[1 + number]
        made = [trace.decisions[number] for trace in traces]
        if feedback == "real":
            true = codec.encode(torch.from_numpy(np.stack([one.real for one in made]))).numpy()
            assert np.allclose(latents, true, atol=1e-5) and actions == [one.action for one in made]
        else:
            assert actions == [one.sub_goal for one in made] == [["slide left"] * 2, ["stay", "slide right"]][number]
            assert np.array_equal(
                codec.decode(torch.from_numpy(latents)).numpy(), np.stack([one.imagined for one in made])
            )
    assert [one.number for one in traces[0].decisions] == [0, 1] and not traces[0].error


def ways(*verbs: str) -> np.ndarray:
    environment = from_gymnasium(Slider(), SLIDES)
    environment.reset(0)
    environment.act("slide right")
    return np.concatenate([environment.act(TEXT_OF[verb]) for verb in verbs])


def oracle(count: int, *verbs: str) -> OraclePolicy:
    true = ways(*verbs)
    return OraclePolicy(bar_reader(), np.stack([true] * count), np.stack([ways("stay")[0]] * count), 4)


def test_what_is_read_is_carried_out_and_a_crash_stops_nobody_else() -> None:
    episodes = sliders(3, {1: 11})  # led by 4 steps, breaks in the second decision
    told: list[tuple[int, int]] = []
    traces = run_episodes(
        oracle(3, "slide_left", "stay", "slide_right"),
        episodes,
        [["x", "y", "z"]] * 3,
        lambda row, decision: told.append((row, decision.number)),
    )
    assert [one.read for one in traces[0].decisions] == ["slide left", "stay", "slide right"]
    assert traces[1].error == "RuntimeError: the bar fell off" and len(traces[1].decisions) == 1
    assert [len(trace.decisions) for trace in traces] == [3, 1, 3] and not traces[2].error
    assert told == [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2), (2, 2)]
    assert [row.environment.env.x for row in episodes[::2]] == [28, 28]  # type: ignore[attr-defined]


def test_an_episode_that_is_over_stands_still() -> None:
    (episode,) = sliders(1)
    true = ways("slide_right", "slide_right")  # the bar reaches the border in the second chunk
    policy = OraclePolicy(bar_reader(), np.concatenate([true, true[-4:]])[None], ways("stay")[:1], 4)
    traces = run_episodes(policy, [episode], [["a", "b", "c"]])
    assert [one.action for one in traces[0].decisions] == ["slide right", "slide right"] and not traces[0].error
    assert episode.environment.ended


class Broken(OraclePolicy):
    def decide(self, sub_goals: Sequence[str]) -> Decided:
        return super().decide(sub_goals)._replace(broken=np.array([True, False]))


def test_frames_that_are_not_finite_end_their_episode_alone() -> None:
    true = np.stack([ways("stay")] * 2)
    traces = run_episodes(Broken(bar_reader(), true, true[:, 0], 4), sliders(2), [["stay"]] * 2)
    assert "not finite" in traces[0].error and not traces[1].error and len(traces[1].decisions) == 1


def test_a_goal_is_planned_in_any_environment(hasty_world: WorldModel) -> None:
    environment = from_gymnasium(Slider(), SLIDES)
    trace = plan(
        hasty_world, bar_reader(), environment, "slide left twice, then go back the way you came", led=["stay"]
    )
    assert [one.sub_goal for one in trace.decisions] == ["slide left"] * 2 + [RETRACE_TEXT] * 3
    assert all(one.action in SLIDES and one.imagined is not None for one in trace.decisions)
    again = plan(hasty_world, bar_reader(), environment, [SubGoal("stay")], led=["stay"], memory=False)
    assert len(again.decisions) == 1
    with pytest.raises(UserError, match="set size and frames_per_chunk"):
        plan(hasty_world, bar_reader(), from_gymnasium(Slider(), SLIDES, 2), "stay", led=["stay"])
    short = plan(hasty_world, bar_reader(), from_gymnasium(Slider(), SLIDES, 2), "stay")
    assert "showed 2 frames, not 4; set its frames_per_chunk" in short.error and not short.decisions


# --- the task ---


class Lookup(InverseDynamics):
    """Knows the pairs of true frames by heart; reads "stay" off all others."""

    known: dict[tuple[bytes, bytes], str]

    def learn(self, task: VizdoomRetrace, count: int) -> "Lookup":
        self.known = {}
        with task.open(range(count)) as opened:
            for episode in opened:
                assert not isinstance(episode, str)
                way = np.concatenate([episode.frames[-1:], episode.true_way])
                for number, pair in enumerate(pairwise(way)):
                    self.known[pair[0].tobytes(), pair[1].tobytes()] = VERBS[
                        TEXTS.index(episode.true_actions[number // 4])
                    ]
        return self

    def read(self, frames: torch.Tensor) -> Readings:
        pairs = [(chunk[-2].numpy().tobytes(), chunk[-1].numpy().tobytes()) for chunk in frames]
        verbs = [self.known.get(pair, "stay") for pair in pairs]
        return Readings(verbs, np.full(len(verbs), 0.9))


class Means(VideoFeatures):
    """Quick features: mean colours."""

    name, num_features, least_frames, fingerprint = "fvd_means", 3, 1, "0" * 64

    def _of_clips(self, clips: Any) -> Any:
        return clips.mean((1, 2, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def task() -> VizdoomRetrace:
    return VizdoomRetrace("test", num_led=4, least_rooms=1)


@pytest.fixture(scope="module")
def reader(task: VizdoomRetrace) -> VerbReader:
    torch.manual_seed(0)
    return VerbReader(Lookup(width=16).learn(task, 4), task.action_texts)


@pytest.fixture(scope="module")
def planning_world(tmp_path_factory: pytest.TempPathFactory, text_encoder: TextEncoder) -> Path:
    """Untrained weights with a ridge memory, one sampling step."""
    return pack_tiny_world(
        tmp_path_factory.mktemp("planning") / "tiny",
        text_encoder,
        ridge=True,
        memory={"ridge": {"journal_chunks": 32}},
        num_sampling_steps=1,
    )


def test_held_out_walks_lead_through_rooms_and_never_to_a_pose_twice() -> None:
    task = VizdoomRetrace()
    walks = task.walks(6)
    for one in walks:
        seen = set()
        places, refused = walk(one.scene, one.start, one.verbs)
        assert len(one.verbs) == 16 and not any(refused)
        for place in places[::4]:
            assert place not in seen
            seen.add(place)
        episode_rooms = {one.scene.room_at(place.x, place.y) for place in places} - {None}
        assert len(episode_rooms) >= 3
    assert VizdoomRetrace().walks(8)[:6] == walks
    others = VizdoomRetrace("validation").walks(6)
    assert not {one.scene.digest for one in others} & {one.scene.digest for one in walks}
    with pytest.raises(UserError, match="through 40 rooms; ask for fewer"):
        VizdoomRetrace(least_rooms=40).walks(1)


def test_the_way_back_shows_what_the_engine_shows_along_it(task: VizdoomRetrace) -> None:
    with task.open(range(2)) as opened:
        first, second = opened
        assert not isinstance(first, str) and not isinstance(second, str)
        assert first.frames.shape == (17, 64, 64, 3) and first.true_way.shape == (16, 64, 64, 3)
        assert first.maps(17).shape == (17, 256, 256, 3)
        for number, action in enumerate(first.true_actions):
            assert first.on_way(number) and first.is_right(number, action) and not first.is_right(number, "fly")
            second.environment.act("stay")  # shares the game
            frames = first.environment.act(action)
            assert np.array_equal(frames, first.true_way[4 * number : 4 * number + 4])
            assert first.distances(number) == [0] * (number + 1)
        assert first.succeeded() and first.maps(4).shape == (4, 256, 256, 3)
        assert not np.array_equal(*first.maps(9)[[0, -1]])
        away = second.distances(3)
        assert second.on_way(0) and not second.on_way(4) and max(away) > 2 and away == sorted(away)
        assert np.array_equal(first.environment.reset(0)[0], first.frames[-1]) and first.on_way(0)
        with pytest.raises(UserError, match="unknown action 'fly'"):
            first.environment.act("fly")
    with task.open(range(1, 2)) as opened:
        assert not isinstance(opened[0], str) and np.array_equal(opened[0].frames, second.frames)


def test_tasks_that_are_not_there_are_told_in_one_sentence() -> None:
    with pytest.raises(UserError, match="there is no task 'chess'; choose one of: metaworld-return, vizdoom-retrace"):
        open_task("chess")
    with pytest.raises(UserError, match="unknown split"):
        open_task("vizdoom-retrace", "dream")
    with pytest.raises(UserError, match="at least 1 chunk"):
        VizdoomRetrace(num_led=0)


def test_a_missing_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch, task: VizdoomRetrace) -> None:
    monkeypatch.setitem(__import__("sys").modules, "vizdoom", None)
    with pytest.raises(UserError, match=r"slowfast-vgen\[rooms\]"), task.open(range(1)):
        pass


# --- arms and trials ---


def test_arms_without_weights_are_named(hasty_world: WorldModel) -> None:
    found, missing = players(hasty_world, None, None, ARMS)
    assert [one.name for one in found] == ["loop", "oracle", "random"]
    assert missing == {
        "no_memory": NEEDS_SLOW, "no_loop": NEEDS_SLOW, "anchor": NEEDS_CONTEXT, "raw_context": NEEDS_CONTEXT,
        "path": NEEDS_TRAIL,
    }  # fmt: skip
    whole, missing = players(hasty_world, hasty_world.model.denoiser, hasty_world.model.denoiser, ARMS)
    assert {one.name for one in whole} == set(ARMS) - {PATH} and missing == {PATH: NEEDS_TRAIL}
    settings = {one.name: one.describe() for one in whole}
    assert settings["no_loop"]["memory"]["lora"]["learning_rate"] == 3e-4 and settings["no_memory"]["memory"] is None
    assert settings["raw_context"]["context"] == {"kind": "raw", "num_frames": 28}
    other = VideoTransformer(latent_channels=3, latent_height=4, latent_width=4, width=32, depth=1, num_heads=2)
    with pytest.raises(UserError, match="made for latent_channels 3"):
        players(hasty_world, other, None, ARMS)
    assert chosen_arms("") == ARMS
    with pytest.raises(UserError, match="unknown arm 'hope'"):
        chosen_arms("loop,hope")


@pytest.fixture
def trial(planning_world: Path, task: VizdoomRetrace, reader: VerbReader) -> Trial:
    world = WorldModel(WorldWeights.load(planning_world))
    found, _ = players(world, world.model.denoiser, world.model.denoiser, ARMS)
    stage = Stage(task, reader, split_goal(task.goal), "real", Means())
    return Trial(stage, found, TrialConfig(3, 2))


QUICK_ARMS = ("loop", "no_memory", "oracle", "random")


@pytest.mark.parametrize(
    ("arms", "episodes", "seeds"), [(QUICK_ARMS, 2, 1), pytest.param(ARMS, 3, 2, marks=pytest.mark.slow)]
)
def test_every_arm_plays_the_same_episodes(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arms: tuple[str, ...], episodes: int, seeds: int
) -> None:
    trial.players, trial.config = [one for one in trial.players if one.name in arms], TrialConfig(episodes, seeds)
    results = trial.run(trial.folder(tmp_path / "plan.json"))
    protocol, figures = results.protocol, results.by_name
    assert figures["distance_oracle"].mean == 0 and figures["success_oracle"].mean == 1
    assert figures["idm_accuracy"].mean == 1 and figures["idm_accuracy"].n == episodes
    assert figures["distance_random"].mean > 1 and figures["on_way_random"].mean < 0.9
    for kind in ("distance", "final_distance", "success", "way_points", "on_way"):
        assert {f"{kind}_{name}" for name in arms if name != PATH} <= set(figures)
    # The reader knows no imagined frame and says "stay": all arms that imagine stand still, and are equally far off.
    imagining = [name for name in arms if name in ARMS[:5]]
    away = {figures[f"distance_{name}"].mean for name in imagining}
    assert len(away) == 1 and away.pop() > 2
    assert figures["distance_no_memory_minus_loop"].mean == 0 and figures["distance_oracle_minus_loop"].high < -1
    assert figures["imagination_psnr_loop"].n == episodes and figures["idm_accuracy_loop"].mean < 0.5
    assert figures["seconds_per_decision"].mean == figures["seconds_per_decision_loop"].mean
    assert figures["fvd_means_loop"].mean > 0 and "fvd_means_oracle" not in figures
    assert figures["crashed"].mean == 0 and protocol["crashed"] == []
    # With random, each arm but the oracle by every seed; those that imagine once more along the true way.
    assert figures["crashed"].n == episodes * ((len(imagining) + 1) * seeds + 1) + episodes * len(imagining)
    assert len(protocol["by_decision"]["distance"]["random"]) == 4
    assert "NaN" not in json.dumps(protocol, allow_nan=False)

    def computed(*_: object) -> None:
        raise AssertionError("a kept part was computed again")

    for what in ("played", "true_ways", "pace"):
        monkeypatch.setattr(stage_module.Stage, what, computed)
    assert trial.run(trial.folder(tmp_path / "plan.json")).by_name == figures


def test_a_crash_is_counted_and_costs_nobody_else(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    trial.players = [one for one in trial.players if one.name == "oracle"]
    steps, shows, first = RoomsEnv.steps, VizdoomEngine.show, trial.stage.task.walks(3)  # type: ignore[attr-defined]

    def falls(self: RoomsEnv, action: int, count: int) -> Any:
        if self.scene == first[1].scene and self.place != trial_end:
            raise RuntimeError("the engine is gone")
        return steps(self, action, count)

    def breaks(self: VizdoomEngine, scene: Any, poses: Any) -> Any:
        if scene == first[2].scene:
            raise OSError("the game ended")
        return shows(self, scene, poses)

    trial_end = walk(first[1].scene, first[1].start, first[1].verbs)[0][-1]
    monkeypatch.setattr(RoomsEnv, "steps", falls)
    monkeypatch.setattr(VizdoomEngine, "show", breaks)
    results = trial.run()
    protocol, figures = results.protocol, results.by_name
    assert [(one["arm"], one["episode"], one["error"]) for one in protocol["crashed"]] == [
        ("oracle", 1, "RuntimeError: the engine is gone"),
        ("oracle", 2, "OSError: the game ended"),
    ]
    assert (figures["crashed"].mean, figures["crashed"].n) == (2, 3)
    assert figures["distance_oracle"].n == 1 and figures["success_oracle"].mean == 1


def test_trials_that_cannot_be_are_refused(trial: Trial, planning_world: Path, text_encoder: TextEncoder,
                                           tmp_path: Path) -> None:  # fmt: skip
    with pytest.raises(UserError, match="no arm is left"):
        Trial(trial.stage, [], TrialConfig())
    with pytest.raises(UserError, match="at least 1 episode"):
        TrialConfig(0)
    wide = WorldModel(WorldWeights.load(pack_tiny_world(tmp_path / "wide", text_encoder, frame_width=128)))
    with pytest.raises(UserError, match="imagines 4 of 64x128"):
        Trial(trial.stage, players(wide, None, None, ["loop"])[0], TrialConfig())
    trial.stage.feedback = "dreamed"  # type: ignore[assignment]
    with pytest.raises(UserError, match="unknown feedback 'dreamed'"):
        Trial(trial.stage, trial.players, TrialConfig())


def test_the_path_alone_finds_the_way_back_with_nothing_imagined_and_nothing_read(
    task: VizdoomRetrace, reader: VerbReader, tmp_path: Path
) -> None:
    found, missing = players(load("rooms-64-retrace"), None, None, [PATH])
    assert not missing and not found[0].seeded
    stage = Stage(task, reader, split_goal(task.goal), "real", Means())
    figures = Trial(stage, found, TrialConfig(3, 2)).run(tmp_path).by_name
    assert figures["success_path"].mean == figures["on_way_path"].mean == 1 and figures["distance_path"].mean == 0
    assert figures["idm_accuracy_path"].mean == 1  # each decision alone
    assert not {"imagination_psnr_path", "confidence_path", "fvd_means_path"} & set(figures)
    assert figures["crashed"].n == 3 * (1 + 1)
    (film,) = record_episodes(stage, found[0], 1, tmp_path, live=False)
    assert film.path.name == "path-000.mp4" and not film.error


@pytest.mark.slow
def test_rows_join_those_that_are_there(trial: Trial) -> None:
    every, trial.players = trial.players, [one for one in trial.players if one.name in ("loop", "no_loop", "oracle")]
    trial.config = TrialConfig(1, 1)
    made = trial.run()
    made = replace(made, path=Path("a.json"))
    file = replace(made, protocol=made.protocol | {"git_commit": "older", "needs_weights": {"path": NEEDS_TRAIL}})
    trial.players = [one for one in every if one.name in ("no_loop", "random")]
    added = trial.run()
    added = replace(added, protocol=added.protocol | {"git_commit": "newer"})
    joined = joined_rows(file, added)
    commits = {name: about["git_commit"] for name, about in joined.protocol["arms"].items()}
    assert commits == {"no_loop": "newer", "loop": "older", "oracle": "older", "random": "newer"}
    assert joined.protocol["git_commit"] == "older"
    for name in ("distance_loop", "success_oracle", "distance_oracle_minus_loop", "seconds_per_decision"):
        assert joined[name].mean == made[name].mean, name
    for name in ("distance_random", "distance_no_loop"):
        assert joined[name].mean == added[name].mean, name
    assert "distance_no_loop_minus_loop" not in joined.by_name  # one of the two is of another run
    assert joined["crashed"].n == 2 + 2 + 1 + 1
    assert set(joined.protocol["by_decision"]["distance"]) == set(joined.protocol["arms"])
    assert joined_rows(joined, added) == joined
    for wrong in ({"num_episodes": 2}, {"precision": "bfloat16"}):
        with pytest.raises(UserError, match=rf"a\.json holds rows of another {next(iter(wrong))}"):
            joined_rows(replace(made, protocol=made.protocol | wrong), added)
    with pytest.raises(UserError, match=r"a\.json holds no rows of `slowfast plan`"):
        joined_rows(Results({}, (), path=Path("a.json")), added)


# --- videos ---


def test_videos_can_be_watched_while_they_grow(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []
    act = RoomsEnv.steps

    def looks(self: RoomsEnv, action: int, count: int) -> Any:
        lengths.append(len(read_video(tmp_path / "oracle-000.mp4")))
        return act(self, action, count)

    monkeypatch.setattr(RoomsEnv, "steps", looks)
    player = Player("oracle", "true video (upper bound)")
    (film,) = record_episodes(trial.stage, player, 1, tmp_path, live=True)
    video = read_video(film.path)
    assert lengths == [25, 29, 33, 37] and len(video) == 17 + 16 + 8
    assert video.shape[1:] == (324, 792, 3)
    imagined, real, mapped = (video[:, 40:280, left : left + 240].astype(float) for left in (14, 276, 538))
    assert np.abs(imagined[20] - real[20]).mean() < 4 < np.abs(imagined[10] - real[10]).mean()  # led, nothing imagined
    assert np.abs(mapped[20] - mapped[-1]).mean() > 0.05
    monkeypatch.setattr("slowfast_bench.planning.videos._SIDE_BY_SIDE", 1)
    quiet = record_episodes(trial.stage, Player("random", "random"), 2, tmp_path / "more", live=False)
    assert [one.path.name for one in quiet] == ["random-000.mp4", "random-001.mp4"] and not any(e for _, e in quiet)
    assert lengths[4:] == [41] * 8  # another arm's file was not touched


# --- the command line and the page ---


@pytest.fixture
def reader_folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    InverseDynamics(width=16).save_pretrained(tmp_path / "reader")
    return tmp_path / "reader"


def test_the_command_line_plans(
    planning_world: Path, reader_folder: Path, quick_features: None, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int],
) -> None:  # fmt: skip
    monkeypatch.setenv("no_proxy", "*")
    report, videos = tmp_path / "plan.json", tmp_path / "videos"
    words = ["plan", "--task", "vizdoom-retrace", "--quick", "--model", str(planning_world)]
    words += ["--inverse-dynamics", str(reader_folder), "--json", str(report), "--video", str(videos), "--videos", "1"]
    words += [
        "--endpoint",
        f"http://127.0.0.1:{free_port()}/v1",
        "--endpoint-model",
        "m",
        "--arms",
        "loop,no_loop,random",
    ]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "left out no_loop: needs weights: --slow DIR" in printed and "so the rules split the goal" in printed
    assert re.search(r"^memory with the loop .*\[.*\]", printed, re.MULTILINE)
    content = json.loads(report.read_text())
    assert content["protocol"]["needs_weights"] == {"no_loop": NEEDS_SLOW}
    assert "so the rules split the goal" in content["protocol"]["warnings"][0]
    assert content["protocol"]["command"] == "plan" and content["protocol"]["num_episodes"] == 2
    assert {"distance_loop", "distance_random", "success_loop", "seconds_per_decision", "idm_accuracy", "fvd_mbv2_loop",
            "crashed"} <= set(by_name(content))  # fmt: skip
    assert sorted(path.name for path in videos.iterdir()) == ["loop-000.mp4", "random-000.mp4"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--task", "chess"], "there is no task 'chess'"),
        (["--task", "metaworld-return", "--inverse-dynamics", "here"], "reads 'turn_left'"),
        (["--task", "vizdoom-retrace"], "no inverse dynamics model 'rooms' is shipped; give --inverse-dynamics DIR"),
        (["--task", "vizdoom-retrace", "--model", "nowhere"], "unknown world 'nowhere'"),
        (["--task", "vizdoom-retrace", "--arms", "hope"], "unknown arm 'hope'"),
        (["--task", "vizdoom-retrace", "--inverse-dynamics", "nowhere"], "cannot read nowhere"),
        (["--task", "vizdoom-retrace", "--json", "."], "a folder of that name"),
        (["--task", "vizdoom-retrace", "--goal", " "], "holds no words"),
        (["--task", "vizdoom-retrace", "--endpoint", "nowhere"], "no address"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    words: list[str], sentence: str, reader_folder: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if {"--goal", "--endpoint", "--model"} & set(words):
        words = [*words, "--inverse-dynamics", str(reader_folder)]
    words = [str(reader_folder) if word == "here" else word for word in words]
    monkeypatch.setattr("slowfast_vgen.presets.readers.FOLDER", "none-is-shipped")
    assert main(["plan", *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and "Traceback" not in error


def test_the_page_on_planning_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "plan.md", "exec"), {})
    assert capsys.readouterr().out.count(" -> ") == 3
    (lines,) = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    commands = [line.split()[1:] for line in lines.replace("\\\n", " ").splitlines()]
    assert len(commands) == 3 and all(build_parser().parse_args(command) for command in commands)
