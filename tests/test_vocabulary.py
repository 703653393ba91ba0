"""What people mean: texts and verbs, lists of actions, and the door that they pass."""

import json
import string
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slowfast_bench.vocabularies import SHIPPED, table_vocabulary, walking_vocabulary
from slowfast_bench.words import shipped_lists
from slowfast_envs.metaworld.instructions import known_texts
from slowfast_vgen import ActionWarning, UserError
from slowfast_vgen.cli import action_list
from slowfast_vgen.cli.main import main
from slowfast_vgen.data.sources import open_episodes
from slowfast_vgen.data.told import read_told
from slowfast_vgen.files import read_json, sha256_of_file
from slowfast_vgen.language import lexicon
from slowfast_vgen.language.lists import without_marker
from slowfast_vgen.models.text import FILES, INSTALL, PACKAGE
from slowfast_vgen.models.vocabulary import Action, Motion, Vocabulary, vocabulary_of
from slowfast_vgen.models.world_model import WORLD, WorldWeights
from slowfast_vgen.packaged import packaged_file
from slowfast_vgen.presets import worlds
from slowfast_vgen.rollout import WorldModel

ROOMS, RETRACE, TABLE = walking_vocabulary(), walking_vocabulary(retrace=True), table_vocabulary()
FINGERPRINTS = {"rooms-64": "334b2896e8cd", "metaworld-moves": "", "rooms-64-retrace": ""}


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("turn left.", "turn_left"), ("Turn left!", "turn_left"), ("  turn   LEFT \n", "turn_left"),
        ("“turn left”", "turn_left"), ("**turn left**", "turn_left"), ("turn left 🙂", "turn_left"),
        ("ｔｕｒｎ ｌｅｆｔ", "turn_left"), ("turn_left", "turn_left"), ("turnLeft", "turn_left"),
        ("turnleft", "turn_left"),
        ("turn lef", "turn_left"), ("tunr left", "turn_left"), ("turn leeeft", "turn_left"),
        ("trun rihgt", "turn_right"),
        ("to your left", "turn_left"), ("hang a left", "turn_left"), ("take a left turn", "turn_left"),
        ("go left", "turn_left"), ("turning left", "turn_left"), ("turn ⬅️", "turn_left"),
        ("could you please turn to your left?", "turn_left"), ("why don't you turn left", "turn_left"),
        ("don't forget to turn left", "turn_left"), ("turn left slowly, please", "turn_left"),
        ("turn left by 90 degrees", "turn_left"), ("make a quarter turn to the left", "turn_left"),
        ("rotate anticlockwise", "turn_left"), ("rotate clockwise", "turn_right"), ("turn right now", "turn_right"),
        ("stop right there", "stay"), ("turn left right now", "turn_left"), ("the walker turns left", "turn_left"),
        ("turn left, not right", "turn_left"), ("not left but right", "turn_right"),
        ("Hey Siri, look left", "turn_left"),
        ("turn left, I mean right", "turn_right"), ("take a few steps back", "go_back"),
        ("walk straight on", "go_forward"),
        ("go forward without turning", "go_forward"), ("step forwards", "go_forward"), ("foward", "go_forward"),
        ("walk in the direction you are facing", "go_forward"), ("go one step back", "go_back"),
        ("for ward", "go_forward"),
        ("do not move", "stay"), ("don't go anywhere", "stay"), ("stop moving", "stay"), ("do nothing", "stay"),
        ("neither move nor turn", "stay"), ("hold your position", "stay"), ("stay right where you are", "stay"),
    ],
)  # fmt: skip
def test_a_text_is_brought_to_the_verb_that_it_means(text: str, verb: str) -> None:
    heard = ROOMS.understand(text)
    assert (heard.kind, heard.verb, heard.note, heard.problem) == ("understood", verb, "", "")
    assert ROOMS.told(heard) == ROOMS.action(verb).text == heard.nearest


@pytest.mark.parametrize(
    "text",
    [
        "go back the way you came", "retrace ur steps", "follow your footprints back", "return to where you started",
        "walk the same path, but in reverse", "double back", "undo all your moves", "head back along the route we took",
    ],
)  # fmt: skip
def test_the_way_back_is_a_verb_only_where_the_world_has_it(text: str) -> None:
    assert RETRACE.understand(text).verb == "retrace"
    assert ROOMS.understand(text).kind == "unknown"
    assert RETRACE.understand("step back").verb == RETRACE.understand("go back").verb == "go_back"


@pytest.mark.parametrize(
    "text",
    [
        "do not turn left", "don't go forward", "never turn left", "stop turning left", "without turning left",
        "no left turn", "don't turn", "don't stop", "you must not go back", "turn neither left nor right",
        "do not, under any circumstances, turn left", "turn left? no", "turn left - not!", "don't turn left or right",
        "don't turn left, right or back", "do not turn left and go forward", "anything but left", "refuse to wait",
    ],
)  # fmt: skip
def test_what_is_negated_is_not_meant(text: str) -> None:
    heard = ROOMS.understand(text)
    assert (heard.kind, heard.verbs, heard.nearest) == ("negated", (), "stay")
    assert "says what not to do" in heard.problem


@pytest.mark.parametrize(
    "text",
    [
        "open the door", "asdf", "", "?!", "🙂", "42", "strafe left", "turn", "look around", "turn around",
        "jump forward",
        "should I turn left?", "is it left or right", "what is left", "turn left or right", "left or right", "why",
        "tourne à gauche", "gira a la izquierda", "links abbiegen", "vorwärts", "avance", "左转", "поверни налево",
        "if you see a door turn left", "turn the page left", "burn left", "lift left", "turn stp", "stp", "lorem ipsum",
        "the return of the king", "he left the building", "turn left into the kitchen", "turn forward", "stay left",
    ],
)  # fmt: skip
def test_what_is_like_nothing_known_is_told_with_the_nearest_action(text: str) -> None:
    heard = ROOMS.understand(text)
    assert (heard.kind, heard.verbs) == ("unknown", ())
    assert heard.problem and heard.nearest in [action.text for action in ROOMS.actions]
    if "left" in text.split() and not {"right", "stay"} & set(text.split()):
        assert heard.nearest == "turn left"


def test_amounts_are_followed_or_told() -> None:
    assert ROOMS.understand("turn left 180 degrees").verbs == ("turn_left",) * 2
    assert ROOMS.understand("go forward three times").verbs == ("go_forward",) * 3
    assert ROOMS.understand("take 3 steps back").verbs == ("go_back",) * 3
    half = ROOMS.understand("turn left 45 degrees")
    assert half.verb == "turn_left" and half.note.endswith("a chunk of turn_left turns by 90 degrees")
    assert "'5 metres'" in ROOMS.understand("go forward 5 metres").note
    assert "does not say what 4 counts" in ROOMS.understand("turn left 4").problem
    assert "0 chunks" in ROOMS.understand("turn left x0").problem
    assert len(ROOMS.understand("turn left x 1,000").verbs) == 1000
    assert ROOMS.understand("turn-left-90").verb == "turn_left"
    for text in ("turn left several times", "go back a few times", "wait many times", "turn left again and again"):
        heard = ROOMS.understand(text)
        assert len(heard.verbs) == 1 and "is not followed" in heard.note
    for text in ("turn left again", "again, turn left", "one more time: turn left"):
        assert ROOMS.understand(text).verbs == ("turn_left",) and not ROOMS.understand(text).note
    several = ROOMS.understand("turn left and go forward")
    assert several.kind == "several" and several.problem.endswith("asks for 2 chunks: 'turn left', then 'go forward'")


@pytest.mark.parametrize("vocabulary", [ROOMS, RETRACE])
def test_all_that_a_training_said_is_understood_by_the_rules_alone(vocabulary: Vocabulary) -> None:
    unworded = Vocabulary(
        tuple(Action(one.verb, (f"{one.verb} {number}",), one.motion) for number, one in enumerate(vocabulary.actions))
    )
    for action in vocabulary.actions:
        for phrasing in action.phrasings:
            assert unworded.understand(phrasing).verb == action.verb
            assert unworded.understand(f"do not {phrasing}").verb != action.verb


@pytest.mark.parametrize("verb", RETRACE.verbs)
def test_a_typing_error_never_leads_to_another_verb(verb: str) -> None:
    rights = total = 0
    for word_number, word in enumerate(words := RETRACE.action(verb).text.split()):
        if len(word) < 4:
            continue
        for place in range(len(word)):
            head, letter, rest = word[:place], word[place], word[place + 1 :]
            changed = {head + rest, head + rest[:1] + letter + rest[1:]}
            changed |= {head + new + tail for new in string.ascii_lowercase for tail in (rest, letter + rest)}
            for one in changed - {word}:
                heard = RETRACE.understand(" ".join([*words[:word_number], one, *words[word_number + 1 :]]))
                assert not heard.verbs or set(heard.verbs) == {verb}, heard
                rights += heard.verb == verb
                total += 1
    assert rights > 0.8 * total


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from(sorted(lexicon.known())), max_size=60).map(" ".join)))
def test_any_text_is_read_at_once_and_without_a_fault(text: str) -> None:
    def seconds() -> float:
        begin = time.perf_counter()
        for vocabulary in (RETRACE, TABLE):
            heard = vocabulary.understand(text)
            assert heard.text == text and (heard.problem or heard.kind == "understood")
            assert heard.nearest in vocabulary.phrasings
        vocabulary.sequence(text)
        return time.perf_counter() - begin

    assert min(seconds() for _ in range(3)) < 0.03  # three readings, of 10 ms at most each


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "turn left " * 20_000, "not " * 50_000, "x" * 400, "the " * 99, "- " * 999]
)
def test_a_long_text_is_no_action_and_takes_no_time(text: str) -> None:
    RETRACE.understand("warm")
    begin = time.perf_counter()
    assert RETRACE.understand(text).kind == "unknown"
    assert time.perf_counter() - begin < 0.1


@pytest.mark.parametrize("stem", sorted(shipped_lists()))
def test_lists_that_were_written_blind(stem: str) -> None:
    texts, vocabulary = shipped_lists()[stem], RETRACE if "retrace" in stem else ROOMS
    right = [vocabulary.understand(text).verb == verb for text, verb in texts.paraphrases]
    quiet = [not (heard := vocabulary.understand(text)).problem and not heard.note for text, _ in texts.paraphrases]
    told = [bool((heard := vocabulary.understand(text)).problem or heard.note) for text in texts.nonsense]
    taken = [tuple(part.verb for part in vocabulary.sequence(text)) == verbs for text, verbs in texts.sequences]
    assert len(right) >= 200 and len(told) >= 100
    assert np.mean(right) >= 0.95 and np.mean(quiet) >= 0.95 and np.mean(told) >= 0.95 and np.mean(taken) >= 0.95


def test_words_of_english_are_no_typing_errors() -> None:
    path = packaged_file(PACKAGE, "model/tokenizer.json", FILES["tokenizer.json"], INSTALL)
    words = json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"]
    common = [word for word, number in words.items() if len(word) > 3 or number < 20_000]
    assert not lexicon.neighbours_among(common) - set(lexicon.NEIGHBOURS.split())  # benchmarks/word_neighbours.py


LEFT, FORWARD = "turn left", "go forward"


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        *((text, [LEFT] * 4) for text in (
            "turn left x4", "turn left x 4", "4x turn left", "4 x turn left", "turn left *4", "turn left * 4",
            "turn left ×4",
            "turn left X4", "turn left (x4)", "turn left 4x", "turn left 4 times", "4 times turn left",
            "turn left, 4 times",
            "turn left\tx4", "turn left four times", "turn left x2, turn left twice", "turn left 360 degrees",
        )),
        *((text, [LEFT, LEFT, FORWARD]) for text in (
            "turn left, turn left, go forward", "turn left x2; go forward;", "turn left twice, then go forward",
            "turn left -> turn left -> go forward", "1. turn left\r\n2. turn left\r\n3. go forward",
            "- turn left x2\n- go forward",
            "turn left # once\nturn left // again\n\n# that was that\ngo forward", "turn left x2 and go forward",
            '["turn left", "turn left", "go forward"]', "left, left, forward", "Turn left. Turn left. Go forward.",
            "• turn left x2\n• go forward", "a) turn left\nb) turn left\nc) go forward",
            "(1) turn left x2\n(2) go forward",
        )),
        *((text, [LEFT, FORWARD] * 2) for text in (
            "(turn left, go forward) x2", "2x(turn left; go forward)", "twice (turn left then go forward)",
            "[turn left; go forward] two times", "(turn left, go forward)*2 please", "(turn left; go forward; )×2",
        )),
        ("((turn left, go forward) x2, go forward) x2", [LEFT, FORWARD, LEFT, FORWARD, FORWARD] * 2),
        ("turn left a couple of times", [LEFT] * 2),
        *((text, [LEFT] * 2) for text in (
            "turn left, again", "turn left, and again, please", "Turn left. Once more!", "turn left, one more time",
            "turn left then another", "turn left. Once more, turn left",
        )),
        ("turn left, again, and again, then go forward", [LEFT, LEFT, LEFT, FORWARD]),
    ],
)  # fmt: skip
def test_a_list_is_read_as_people_write_lists(text: str, actions: list[str], tmp_path: Path) -> None:
    assert action_list.parse_actions(text, ROOMS) == actions
    (tmp_path / "list.txt").write_text("﻿" + text, encoding="utf-8")
    assert action_list.read_actions(tmp_path / "list.txt", ROOMS) == actions


def test_a_list_of_narrations_keeps_its_commas(tmp_path: Path) -> None:
    text = "put the red cup, the big one, down x2; #C C waits and sits # remark"
    assert action_list.parse_actions(text, TABLE) == ["put the red cup, the big one, down"] * 2 + [
        "#C C waits and sits"
    ]
    (tmp_path / "list.txt").write_text("# all of it\r\nwait, then go; slowly\r\nwait x2\r\n")
    assert action_list.read_actions(tmp_path / "list.txt", TABLE) == ["wait, then go; slowly", "wait", "wait"]
    assert without_marker("2x go back") == "2x go back"
    for text in ("2x push the cup", "2 x push the cup", "push the cup x 2", "push the cup X2", "push the cup (×2)"):
        assert action_list.parse_actions(text, TABLE) == ["push the cup"] * 2
    assert action_list.parse_actions("put 2 x 4 blocks there", TABLE) == ["put 2 x 4 blocks there"]


@pytest.mark.parametrize(
    "text",
    [
        "turn left 4", "turn left x0", "turn left; do not go back", "turn left x4 go forward x2",
        "turn left x-1", "turn left x -3", "turn left -1 times", "turn left -90 degrees", "-2x turn left",
        "turn left \u22122 times", "(turn left, go back) about 3 times", "(turn left\ngo back) x2",
        "3 times (turn left", "turn left, go forward, again", "turn left; again", "turn left x2, again", "again",
    ],
)  # fmt: skip
def test_what_a_list_does_not_make_clear_is_no_action(text: str) -> None:
    assert any(ROOMS.understand(one).problem for one in action_list.parse_actions(text, ROOMS))


def test_too_many_chunks_are_refused() -> None:
    with pytest.raises(UserError, match="too many"):
        action_list.parse_actions("turn left x1000000000", ROOMS)
    for text in ("(turn left, go back) x1000000000", "((turn left, wait) x30000, wait) x30000", "turn left x 100,001"):
        with pytest.raises(UserError, match="too many"):
            action_list.parse_actions(text, ROOMS)


def test_free_narrations_are_kept_and_strange_ones_told() -> None:
    blocks = ("yellow cube", "blue puck", "pink cube")
    texts = [text for text, verb in known_texts(blocks).items() if verb != "hover"]
    assert len(texts) > 100 and all(TABLE.understand(text).kind == "understood" for text in texts)
    for text in ("Put the red ball next to the blue puck.", "pick up the spoon and place it in the middle"):
        heard = TABLE.understand(text)
        assert (heard.kind, TABLE.told(heard), heard.verb) == ("understood", text, "")
    for text in ("turn left", "dance", "open the door", "ö", ""):
        heard = TABLE.understand(text)
        assert heard.kind == "unknown" and heard.nearest in TABLE.narrations


def test_a_vocabulary_of_a_data_set() -> None:
    told = [("turn_left", "turn left")] * 3 + [("turn_left", "look left"), ("stop", "wait"), ("stop", "wait")]
    made = vocabulary_of(told, {"turn_left": Motion(turn=45.0)})
    assert made.verbs == ("stop", "turn_left") and made.null == "stop"
    assert made.action("turn_left").phrasings == ("turn left", "look left")
    assert made.action("turn_left").motion == Motion(turn=45.0)
    assert Vocabulary.from_json(made.to_json()) == made
    for free in (vocabulary_of([("", "opens a drawer"), ("", "closes it")]), vocabulary_of([("a", "go"), ("b", "go")])):
        assert free.is_free and Vocabulary.from_json(free.to_json()) == free
    assert vocabulary_of([("", "b"), ("", "a"), ("", "b")]).narrations == ("b", "a")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Vocabulary(), "either actions or narrations"),
        (lambda: Vocabulary((Action("a", ("go",)), Action("b", ("Go!",)))), "belongs to two verbs"),
        (lambda: Vocabulary((Action("a", ("go",)),), null="b"), "none of a"),
        (lambda: Action("a", ()), "has no phrasing"),
        (lambda: Motion(turn=float("nan")), "give a number"),
        (lambda: Vocabulary.from_json([]), "write it again"),
        (lambda: Vocabulary.from_json(ROOMS.to_json() | {"actions": [{}]}), "no actions that can be read"),
        (lambda: ROOMS.action("fly"), "this world has turn_left"),
        (lambda: vocabulary_of([]), "at least one chunk"),
    ],
)
def test_vocabularies_that_cannot_be(make: Callable[[], object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        make()


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_shipped_worlds_carry_their_vocabulary_and_keep_their_weights(name: str) -> None:
    folder = worlds.world_folder(name)
    assert worlds.vocabulary(name) == SHIPPED[name]()
    assert read_json(folder / "model_index.json")["sha256"]["actions.json"] == sha256_of_file(folder / "actions.json")
    assert WorldWeights.load(folder).fingerprint.startswith(FINGERPRINTS[name])


@pytest.fixture(scope="module")
def rooms() -> WorldModel:
    return worlds.load("rooms-64")


def start(world: WorldModel, **given: Any) -> Any:
    return world.start(np.full((64, 64, 3), 90, np.uint8), seed=3, num_sampling_steps=1, **given)


def test_all_ways_to_say_it_give_one_video(rooms: WorldModel) -> None:
    ways = ("turn left", "Turn left!", "turn left.", "please turn lef", "hang a left", "rotate to the left")
    videos = []
    for way in ways:
        session = start(rooms, memory=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            videos.append(np.concatenate([session.step(way), session.step("go forward.")]))
        assert session.last_action.verb == "go_forward" and session.last_action.given == "go forward."
    assert all(np.array_equal(video, videos[0]) for video in videos)


@pytest.mark.parametrize(
    "text", ["do not turn left", "open the door", "turn left or right", "turn left and go forward"]
)
def test_what_is_not_understood_is_not_carried_out(rooms: WorldModel, text: str) -> None:
    stayed = start(rooms).step("stay")
    session = start(rooms)
    with pytest.warns(ActionWarning, match="'stay' is carried out instead"):
        frames = session.step(text)
    assert np.array_equal(frames, stayed)
    assert (session.last_action.verb, session.last_action.given) == ("stay", text)
    strict = start(rooms, strict=True)
    with pytest.raises(UserError, match=r"nearest known action|one action a chunk"):
        strict.step(text)
    assert strict.num_chunks == 0 and strict.last_action is None
    nearest = start(rooms, strict=False)
    with pytest.warns(ActionWarning):
        nearest.step(text)
    wanted = "stay" if text.startswith("do not") else ROOMS.verb_of(ROOMS.understand(text).nearest)
    assert nearest.last_action.verb == wanted
    assert nearest.fork().last_action == nearest.last_action


def test_frames_that_are_shown_pass_the_same_door(rooms: WorldModel) -> None:
    def pose(*actions: str) -> Any:
        rollout = rooms.start_batch(np.full((1, 64, 64, 3), 90, np.uint8), True, [0], 1)
        frames = rollout.predict(["stay"])
        for action in actions:
            rollout.observe_latents(frames, [action])
        return rollout.memory.describe()

    assert pose("turn left!") == pose("turn left") != pose("stay")
    with pytest.warns(ActionWarning):
        assert pose("never turn left") == pose("stay")


def test_strictness_lasts_through_a_save(rooms: WorldModel, tmp_path: Path) -> None:
    session = start(rooms)
    session.step("turn left")
    session.save(tmp_path / "episode")
    assert read_json(tmp_path / "episode/session.json")["world"] == "rooms-64@1"
    with pytest.raises(UserError, match="nearest known action"):
        rooms.resume(tmp_path / "episode", strict=True).step("dance")


def test_a_world_without_a_vocabulary_takes_any_text(tiny_world: WorldModel) -> None:
    assert tiny_world.actions is None
    session = start(tiny_world)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session.step("do not turn left")
    assert session.last_action.text == "do not turn left" and not session.last_action.kind


def test_a_world_of_narrations_keeps_the_text() -> None:
    world = worlds.load("metaworld-moves")
    session = start(world)
    with pytest.warns(ActionWarning, match="is like nothing that this world knows; the nearest that it knows is"):
        session.step("dance")
    assert session.last_action.text == "dance"
    with pytest.raises(UserError, match="like nothing"):
        start(world, strict=True).step("dance")


def test_generate_refuses_before_it_loads_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(WorldWeights, "load", load)
    words = ["generate", "--image", "docs/images/start.png", "--out", str(tmp_path / "out.mp4"), "--actions"]
    for text, told in (
        ("turn left; do not go back", "'do not go back' says what not to do; the nearest known action is 'stay'"),
        ("strafe left", "the nearest known action is 'turn left'"),
        ("turn left x0", "asks for 0 chunks"),
        ("turn left or right", "leaves a choice between turn_left and turn_right"),
    ):
        assert main([*words, text]) == 2
        error = capsys.readouterr().err
        assert told in error and "Traceback" not in error
    with pytest.raises(AssertionError, match="weights were loaded"):
        main([*words, "strafe left", "--nearest"])


def test_generate_tells_what_it_understood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--out", str(tmp_path / "out.mp4"), "--json", str(tmp_path / "out.json")]
    words = ["generate", "--image", "docs/images/start.png", "--steps", "1", *files, "--nearest", "--actions"]
    assert main([*words, "Please turn lef x2, then strafe right"]) == 0
    protocol = read_json(tmp_path / "out.json")["protocol"]
    assert protocol["world"] == "rooms-64@1"
    assert [row["verb"] for row in protocol["understood"]] == ["turn_left", "turn_left", "turn_right"]
    assert capsys.readouterr().err.count("warning: 'Please turn lef x2, then strafe right'") <= 1


def test_versions(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert worlds.world_folder("rooms-64@1") == worlds.world_folder("rooms-64")
    with pytest.raises(UserError, match="has no version 7"):
        worlds.load("rooms-64@7")
    monkeypatch.setitem(worlds.RELEASES, "rooms-64@7", "9.9")
    with pytest.raises(UserError, match=r"release 9\.9 of slowfast-vgen is the last that has it"):
        worlds.load("rooms-64@7")
    for name in ("rooms-65@1", "rooms-64@", "@1", "rooms-64@one"):
        with pytest.raises(UserError, match="unknown world"):
            worlds.load(name)
    assert main(["models", "--json", str(tmp_path / "models.json")]) == 0
    listing = capsys.readouterr().out
    assert "version    1, loaded as rooms-64 or rooms-64@1" in listing
    assert "turn_left: turn left; also: rotate to the left" in listing and "free narrations, such as" in listing
    told = read_json(tmp_path / "models.json")["protocol"]["worlds"]["rooms-64"]
    assert told["version"] == 1 and Vocabulary.from_json(told["vocabulary"]) == ROOMS


def test_two_versions_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder, version in (("weights/w", 2), ("weights/w@1", 1)):
        (tmp_path / folder).mkdir(parents=True)
        header = WORLD.read_header(worlds.world_folder("rooms-64"))
        WORLD.seal(tmp_path / folder, replace(header, world=header.world | {"name": "w", "version": version}))
    monkeypatch.setattr(worlds, "files", lambda _: tmp_path)
    assert worlds.shipped_worlds() == {"w": tmp_path / "weights/w"}
    assert worlds.world_folder("w") == worlds.world_folder("w@2") == tmp_path / "weights/w"
    assert worlds.world_folder("w@1") == tmp_path / "weights/w@1"


def test_a_training_writes_what_its_data_was_told_and_a_packed_world_carries_it(tmp_path: Path) -> None:
    train, codec, slow, out = (str(tmp_path / name) for name in ("train", "codec", "slow", "world"))
    words = ["--env", "vizdoom-rooms", "--split", "train", "--episodes", "4", "--num-chunks", "24"]
    assert main(["data", "make", "--out", train, *words]) == 0
    common = ["--data", train, "--validation", train, "--steps", "1", "--batch-size", "2"]
    assert main(["train", "codec", *common, "--out", codec]) == 0
    small = ["--width", "32", "--depth", "1", "--codec", f"{codec}/codec"]
    assert main(["train", "slow", *common, *small, "--out", slow]) == 0
    made = Vocabulary.load(Path(slow) / "denoiser/actions.json")
    assert {"turn_left", "turn_right", "go_forward"} <= set(made.verbs) <= set(ROOMS.verbs)
    assert made.null == ("stay" if "stay" in made.verbs else "")
    for action in made.actions:
        assert set(action.phrasings) <= set(ROOMS.action(action.verb).phrasings)
        assert action.motion == ROOMS.action(action.verb).motion
    parts = ["--codec", f"{codec}/codec", "--denoiser", f"{slow}/denoiser", "--out", out]
    assert main(["models", "pack", "--name", "mine", *parts, "--version", "3"]) == 0
    world = worlds.load(out)
    assert world.actions == made and world.model.config.full_name == "mine@3"
    told = read_told([open_episodes(Path(train))])
    assert len(told.actions) == 96 and told.motions["turn_left"] == (0.0, 0.0, 90.0)
