"""How often this process looks for garbage that reference counting has not found.

What the start has made (modules, models, routes: some hundred thousand objects) stays for ever, and a message makes and
drops objects by the hundred. With Python's own thresholds a service under load goes through them all again and again;
little of what it looks for is ever there.
"""

import gc

YOUNG = 20_000
"""Objects made and kept before the young ones are looked at; Python's own figure is 2,000. Some megabytes at most."""


def collect_rarely() -> None:
    """To be called when the start is over: what is there now is never looked at again, and later objects less often.

    The collector may have rested until now (shared.prelude).
    """
    gc.freeze()
    gc.enable()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
