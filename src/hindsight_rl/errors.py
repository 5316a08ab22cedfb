"""Errors that a user can correct: one line that names the place and the correction."""


class HindsightError(Exception):
    """Bad input. The message is one line: what is wrong, where, and how to correct it.

    The command line prints it without a traceback and exits with code 2.
    """
