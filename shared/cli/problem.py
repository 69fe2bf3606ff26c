"""What ends a command early."""


class CliError(Exception):
    """Wrong use, or a broker that cannot be reached: one line that tells the person what to do. Exit code 2."""
