"""The one exception that a user's mistake raises.

Everything a user can get wrong (a file, a size, a name, a setting) raises `UserError` with one sentence that says what
was given, what is wanted and how to fix it. The command line prints that sentence and exits with `EXIT_CODE`; nothing
else is caught there, so a programming error still shows its traceback.
"""

EXIT_CODE = 2


class UserError(ValueError):
    """A mistake of the user's, reported in one sentence: what was given, what is wanted, how to fix it."""


class SlowFastWarning(UserWarning):
    """A warning that a user should see although nothing stops; commands print it as one sentence."""


class ActionWarning(SlowFastWarning):
    """An action was not carried out as it was written: it is not understood, says what not to do, or asks for more."""
