"""One episode that a user rolls out step by step."""

from pathlib import Path

import torch

from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.episode import EpisodeMemory
from slowfast_vgen.memory.sessions import SavedSession, save_session
from slowfast_vgen.models.text import validate_action
from slowfast_vgen.rollout.batch import Rollout
from slowfast_vgen.rollout.telling import ToldAction
from slowfast_vgen.types import Frames


class Session:
    """One episode: `frames = session.step("turn left")`."""

    def __init__(self, rollout: Rollout, frame: Frames) -> None:
        self._rollout = rollout
        self.start_frame = frame
        """The frame that the session begins with, uint8 `[height, width, 3]`."""

    def __repr__(self) -> str:
        rollout = self._rollout
        world, memory = rollout.world.model.config.full_name, rollout.memory or "no memory"
        return f"<Session in {world}: {rollout.num_chunks} chunks, seed {rollout.seeds[0]}, {memory}>"

    @property
    def num_chunks(self) -> int:
        """Chunks generated so far, those before a resume included."""
        return self._rollout.num_chunks

    @property
    def memory(self) -> EpisodeMemory | None:
        """The episode's fast weights; None for a session without memory."""
        return self._rollout.memory

    @property
    def last_action(self) -> ToldAction | None:
        """The latest action, as it was understood; None before the first."""
        return self._rollout.latest[0] if self._rollout.latest else None

    def rewind(self, chunks: int) -> Frames:
        """Takes the session back by `chunks` chunks, memory included, and returns the last frame there.

        The next chunk has the noise that it had the first time: the same action gives the same chunk.

        Raises:
            UserError: further than the session or its memory goes back; nothing is changed then.
        """
        self._rollout.rewind(chunks)
        return self._rollout.world.model.codec.decode(self._rollout.history[0, -1:])[0].cpu().numpy()

    def fork(self) -> "Session":
        """An independent session with the same state and memory as this one."""
        return Session(self._rollout.fork(), self.start_frame)

    def step(self, action: str) -> Frames:
        """Generates the next chunk: uint8 `[f_g, height, width, 3]`.

        In a world with a vocabulary (`WorldModel.actions`) the text is mapped to the verb that it means. What is not
        understood or says what not to do is not carried out: see `strict` of `WorldModel.start`, and `last_action`.
        Whatever ends a step before its frames are there, an error or Ctrl-C, leaves the session where it was.

        Warns:
            ActionWarning: an action that is not carried out as it is written.

        Raises:
            UserError: an action that is empty, too long or not text, or refused; nothing is generated then.
        """
        validate_action(action)
        before = self._rollout.snapshot()
        try:
            latents = self._rollout.step([action])
            if not bool(latents.isfinite().all()):
                raise UserError("the model gave frames that are not finite; start a new session or load other weights")
            return self._rollout.world.model.codec.decode(latents[0]).cpu().numpy()
        except BaseException:
            self._rollout.restore(before)
            raise

    def save(self, folder: str | Path) -> None:
        """Writes the session atomically: its memory, the latest frames' latents, seed, count, checksums.

        Raises:
            UserError: the folder cannot be written.
        """
        if not isinstance(folder, (str, Path)):
            raise UserError(f"a session is saved into a folder, got {folder!r}; give its name")
        rollout = self._rollout
        saved = SavedSession(
            world=rollout.world.model.config.full_name,
            base_fingerprint=rollout.world.model.fingerprint,
            seed=rollout.seeds[0],
            num_chunks=rollout.num_chunks,
            num_sampling_steps=rollout.sampler.num_steps,
            guidance_scale=rollout.sampler.guidance_scale,
            memory_config=rollout.memory.config if rollout.memory else None,
            history=rollout.history,
            earlier=tuple(rollout.earlier),
            precision=rollout.world.precision,
            threads=torch.get_num_threads(),
            text_encoder=rollout.world.model.text_encoder.used,
        )
        save_session(Path(folder), saved, rollout.memory)
