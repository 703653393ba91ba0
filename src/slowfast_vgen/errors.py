"""The one exception that a user's mistake raises.

Everything a user can get wrong (a file, a size, a name, a setting) raises `UserError` with one sentence that says what
was given, what is wanted and how to mend it. The command line prints that sentence and exits with `EXIT_CODE`; nothing
else is caught there, so a programming error still shows its traceback.
"""

EXIT_CODE = 2


class UserError(ValueError):
    """A mistake of the user's, told in one sentence: what was given, what is wanted, how to mend it."""


class SlowFastWarning(UserWarning):
    """What a user should know though it stops nothing; commands print it as one sentence."""


class ActionWarning(SlowFastWarning):
    """An action was not carried out as it was written: it is not understood, says what not to do, or asks for more."""
