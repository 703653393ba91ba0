"""Sub-goals from a language model behind any OpenAI-compatible endpoint that the user names; never needed."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from slowfast_vgen.errors import UserError
from slowfast_vgen.models.vocabulary import Vocabulary
from slowfast_vgen.plan.goal import MOST_CHUNKS, OPEN_TEXTS, PUT_BACK_TEXT, RETRACE_TEXT, SubGoal, split_goal
from slowfast_vgen.plan.timed_post import post

MOST_SUB_GOALS = 100
MOST_BYTES = 1 << 20
"""Most bytes of an answer; a longer one is no list of sub-goals."""
KEY_VARIABLE = "SLOWFAST_API_KEY"

_GAP = re.compile(r"\{\w+\}")
_TASK = (
    "Split the user's goal into sub-goals for an agent that acts in a world, in order. Answer with one JSON "
    'object and nothing else: {{"sub_goals": [{{"text": TEXT, "chunks": N}}]}}. TEXT is one of: {texts}. N is how many '
    'times it is done, a whole number from 1 on; or null for "{retrace}", which leads back along the way that was '
    'come, and for "{put_back}", which puts back all things that were moved.'
)


class Split(NamedTuple):
    """The sub-goals of a goal."""

    sub_goals: tuple[SubGoal, ...]
    warning: str = ""
    """The reason why they do not come from the endpoint; empty where they do, or where none was asked."""


@dataclass(frozen=True)
class EndpointSplitter:
    """Asks `POST {url}/chat/completions`; falls back to the rules of `goal.split_goal` whatever goes wrong there."""

    url: str
    """Base URL including the version, such as http://localhost:8000/v1."""
    model: str
    key_variable: str = KEY_VARIABLE
    """Environment variable that holds the key; none is sent where it is not set."""
    seconds: float = 30.0
    """Time limit in seconds for the whole answer, the look-up of the host and all else included."""

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
        except ValueError:  # brackets that are no address
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"the endpoint {self.url!r:.80} is no address; give one such as http://localhost:8000/v1")
        if not self.model.strip():
            raise UserError("the endpoint needs the name of a model; give --endpoint-model NAME")
        if not 0 < self.seconds <= 3600:
            raise UserError(f"the endpoint's time limit must lie between 0 and 3600 seconds, got {self.seconds}")

    def split(self, goal: str, action_texts: Sequence[str], vocabulary: Vocabulary | None = None) -> Split:
        """The goal's sub-goals; with a warning, those of the rules, where the endpoint gives none that can be used.

        Args:
            goal: the goal in words.
            action_texts: texts of the environment's actions; the endpoint is to use these texts, and `OPEN_TEXTS`.
            vocabulary: verbs for the rules; see `split_goal`.

        Raises:
            UserError: a goal that the rules cannot split either.
        """
        try:
            return Split(_sub_goals(self._answer(goal, action_texts), (*action_texts, *OPEN_TEXTS)))
        except (OSError, HTTPException, ValueError, RecursionError) as error:  # UserError is a ValueError
            reason = " ".join(str(getattr(error, "reason", None) or error).split()) or type(error).__name__
            warning = f"the endpoint {self.url} gave no sub-goals ({reason:.200}), so the rules split the goal"
            return Split(split_goal(goal, vocabulary), warning)

    def _answer(self, goal: str, action_texts: Sequence[str]) -> Any:
        listed = ", ".join(json.dumps(text) for text in (*action_texts, *OPEN_TEXTS))
        body = {
            "model": self.model,
            "temperature": 0,
            "messages": [
                {"role": "system", "content": _TASK.format(texts=listed, retrace=RETRACE_TEXT, put_back=PUT_BACK_TEXT)},
                {"role": "user", "content": goal},
            ],
        }
        headers = {"Content-Type": "application/json", "User-Agent": "slowfast-vgen"}
        if key := os.environ.get(self.key_variable, "").strip():
            if not (key.isascii() and key.isprintable()):  # http.client would show it in its error
                raise ValueError(f"{self.key_variable} holds more than one line of plain letters")
            headers["Authorization"] = f"Bearer {key}"
        address = f"{self.url.rstrip('/')}/chat/completions"
        answer = post(address, json.dumps(body).encode(), headers, self.seconds, MOST_BYTES)
        return json.loads(answer.decode())


def _sub_goals(answer: Any, texts: Sequence[str]) -> tuple[SubGoal, ...]:
    """Checks the answer strictly: what is not exactly what was asked for is nonsense.

    Raises:
        ValueError: anything else.
    """
    try:
        content = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise ValueError("the answer holds no choices[0].message.content") from None
    if not isinstance(content, str):
        raise ValueError("its message is no text")
    content = content.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        listed = json.loads(content)["sub_goals"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"its message is no JSON object with sub_goals: {content!r:.60}") from None
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_SUB_GOALS:
        raise ValueError(f"its sub_goals are no list of 1 to {MOST_SUB_GOALS}")
    sub_goals = tuple(_sub_goal(row, texts) for row in listed)
    if sum(sub_goal.num_chunks or 0 for sub_goal in sub_goals) > MOST_CHUNKS:
        raise ValueError(f"its sub-goals take more than {MOST_CHUNKS} chunks")
    return sub_goals


def _sub_goal(value: Any, texts: Sequence[str]) -> SubGoal:
    if not isinstance(value, dict) or set(value) != {"text", "chunks"}:
        raise ValueError(f"a sub-goal is no object of text and chunks: {value!r:.60}")
    text, count = value["text"], value["chunks"]
    if not isinstance(text, str) or not (count is None or (isinstance(count, int) and not isinstance(count, bool))):
        raise ValueError(f"a sub-goal's text or chunks are of the wrong kind: {value!r:.60}")
    if "{" in text or not any(_is_of(text, listed) for listed in texts):
        raise ValueError(f"a sub-goal is none of the texts that were listed: {text!r:.60}")
    if count is None and text not in OPEN_TEXTS:
        raise ValueError(f"a sub-goal has no number of chunks: {value!r:.60}")
    return SubGoal(text, None if text == PUT_BACK_TEXT else count)


def _is_of(text: str, listed: str) -> bool:
    """True if `text` is listed, or fits a listed template such as "carry the {block} to ({x}, {y})".

    Each part is matched where it fits first; an expression that tried all places could take hours on a crafted text.
    """
    begin, *parts = _GAP.split(listed)
    if not parts or "\n" in text or not text.startswith(begin):
        return text == listed
    place = len(begin)
    *inner, end = parts
    for part in inner:
        place = text.find(part, place + 1)
        if place < 0:
            return False
        place += len(part)
    return text.endswith(end) and place < len(text) - len(end)
