"""Imported first by a service's process, and by nothing else: what it imports after that costs less time and memory.

The garbage collector rests until `shared.collecting.collect_rarely`: imports make much and throw little away.
"""

import gc
import sys
from typing import Any

gc.disable()

# None: import says that there is no such package. structlog draws tracebacks with it where a tool for developers
# happens to have brought it. We draw none, and it costs each process a tenth of a second and 5 MB.
_modules: dict[str, Any] = sys.modules
_modules.setdefault("rich", None)
