"""How far a sign-up was followed, so that news that come late are known as old."""

from shared.contracts.aggregate import Aggregate


class HeardSignup(Aggregate):
    """`version` is the sign-up's own version that was heard last; the id is the sign-up's."""
