"""What stops a command of the embedded system."""


class Problem(Exception):
    """Told to the person as one line that says what to do; no traceback."""
