"""Rolling out a world: `WorldModel.start`, `Session.step`, and batches of episodes (Algorithm 1a).

Everything between two chunks stays in latents; frames are decoded when someone asks for them.
"""

from slowfast_vgen.rollout.batch import Rollout
from slowfast_vgen.rollout.session import Session
from slowfast_vgen.rollout.stepper import Stepper
from slowfast_vgen.rollout.world import WorldModel

__all__ = ["Rollout", "Session", "Stepper", "WorldModel"]
