"""Markdown as HTML that is safe and text that reads well."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.composing.markdown import escape, prose, to_html, to_line, to_text


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("# Stor\n\n## Mindre\n\n### Mindst", "Stor\n====\n\nMindre\n------\n\nMindst"),
        ("a **b** *c* `d`", "a b c d"),
        ("a\nb\\\nc  \nd", "a b\nc\nd"),
        ("- a\n- b\n  - c", "- a\n- b\n  - c"),
        ("- a\n\n- b\n\n  mere", "- a\n\n- b\n\n  mere"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("> a\n> b\n>\n> c", "> a b\n>\n> c"),
        ("[her](https://x.example)", "her (https://x.example)"),
        ("<https://x.example/a_b>", "https://x.example/a_b"),
        ("[a@b.example](mailto:a@b.example)", "a@b.example"),
        ('[Tilmeld](https://x.example "button")', "Tilmeld:\nhttps://x.example"),
        ("![et billede](https://x.example/a.png)", "et billede"),
        ("```\nkode  her\n```", "kode  her"),
        ("a\n\n---\n\nb", "a\n\n---\n\nb"),
        ("&lt;b&gt; \\*c\\*", "<b> *c*"),
        ("", ""),
    ],
)
def test_as_text(markdown: str, text: str):
    assert to_text(markdown) == text


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,hej)",
        "![x](javascript:alert(1))",
        "<img src=x onerror=alert(1)>",
        '[x](https://x.example "a\\" onmouseover=alert(1)")',
        "<a href='https://x.example' style='position:fixed'>x</a>",
        "<iframe src='https://x.example'></iframe>",
        "<form action='https://x.example'><input></form>",
        "[x](vbscript:x)",
    ],
)
def test_html_is_safe(markdown: str):
    found = Elements()
    found.feed(to_html(markdown))
    for tag, attributes in found.seen:
        assert tag in {"p", "a", "img"}
        assert {name for name, _ in attributes} <= {"href", "src", "alt", "title", "style"}
        for name, value in attributes:
            assert name not in {"href", "src"} or str(value).startswith("https://"), value
            assert name != "style" or "position" not in str(value)


class Elements(HTMLParser):
    """What a browser sees in it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, attrs))


VALUES = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


def test_a_button_is_a_link_that_looks_like_one():
    html = to_html('[Tilmeld dig](https://x.example "button")')
    assert "background:#0b5a5e" in html
    assert "title" not in html
    assert 'href="https://x.example"' in html


@given(VALUES)
def test_a_value_is_shown_as_it_is(value: str):
    line = " ".join(value.split())
    assert to_line(f"a{escape(value)}b") == " ".join(f"a{line}b".split())


@given(VALUES)
def test_a_value_makes_no_element(value: str):
    html = to_html(str(prose(value)))
    found = Elements()
    found.feed(html)
    assert {tag for tag, _ in found.seen} <= {"p", "br"}


def test_prose_keeps_its_lines():
    assert to_text(str(prose("a *b*\n  # c\n\n\n- d"))) == "a *b*\n# c\n\n- d"
