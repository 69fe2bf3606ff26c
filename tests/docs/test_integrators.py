"""What docs/integrators.md tells is so: its tables name what there is.

That its programs run is seen in tests/e2e/test_integrators.py.
"""

import re
from typing import Any

import pytest

from shared.contracts.base import Envelope
from shared.contracts.problems import Conflict, Forbidden, Invalid, NotFound
from shared.messaging.dispatch import BODY_BYTES, Unknown, Unreadable
from shared.messaging.topology import RETRY_DELAYS
from tests.support.integrator import GUIDE, ROOT, program

TEXT = GUIDE.read_text(encoding="utf-8")


def test_the_readme_shows_the_program_that_runs():
    assert program("pika", ROOT / "README.md") == program("pika")


@pytest.mark.parametrize(("name", "lines"), [("pika", 30), ("aio-pika", 40)])
def test_a_program_is_short(name: str, lines: int):
    code = program(name)
    compile(code, name, "exec")
    assert len(code.splitlines()) <= lines


@pytest.mark.parametrize("refusal", [Invalid, NotFound, Conflict, Forbidden, Unknown, Unreadable])
def test_every_problem_is_told(refusal: type[Any]):
    assert f"| `{refusal.slug}` | {refusal.status} |" in TEXT


def test_every_attribute_of_the_envelope_is_told():
    for attribute in set(Envelope.model_fields) - {"datacontenttype"}:
        assert f"| `{attribute}` |" in TEXT, attribute


def test_limits_are_told():
    assert f"at most {BODY_BYTES // 1024} KiB" in TEXT
    assert f"about {round(sum(RETRY_DELAYS) / 60)} minutes" in TEXT


def test_its_own_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", TEXT):
        assert (GUIDE.parent / target).exists(), target
