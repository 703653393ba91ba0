"""Which windows are cut out of episodes; without torch, for commands show settings of trainings."""

from dataclasses import dataclass

from slowfast_vgen.errors import UserError


@dataclass(frozen=True)
class WindowLengths:
    """Numbers of past frames `f_p` and new frames `f_g` to draw from, with repeats as weights; one pair per batch."""

    past: tuple[int, ...] = (4, 4, 4, 4, 4, 4, 1, 1, 2, 3, 5, 6, 8)
    new: tuple[int, ...] = (4, 4, 4, 4, 4, 4, 3, 2, 1)

    def __post_init__(self) -> None:
        if not self.past or not self.new or min(self.past + self.new) < 1:
            raise UserError(f"windows need at least one past and one new frame, got past {self.past}, new {self.new}")

    @classmethod
    def around(cls, chunk_frames: int) -> "WindowLengths":
        """Returns lengths for chunks of `chunk_frames`: mostly a whole chunk after as many past frames, and others.

        >>> WindowLengths.around(4) == WindowLengths()
        True
        >>> WindowLengths.around(1).new
        (1, 1, 1, 1, 1, 1)
        """
        usual = chunk_frames
        past = (1, 1, usual // 2, usual - 1, usual + 1, usual + 2, 2 * usual)
        new = (usual - 1, usual // 2, 1) if usual > 1 else ()
        return cls((*(usual,) * 6, *(max(1, length) for length in past)), (*(usual,) * 6, *new))

    @property
    def usual(self) -> "WindowLengths":
        """The lengths that are drawn most often, the larger ones in a tie."""
        past, new = (max(sorted(set(lengths), reverse=True), key=lengths.count) for lengths in (self.past, self.new))
        return WindowLengths((past,), (new,))
