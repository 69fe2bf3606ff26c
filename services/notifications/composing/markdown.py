"""Markdown (CommonMark) as a mail's two parts: HTML that is safe and styled, and text that reads well by itself.

A link whose title is `button` becomes a button: `[Tilmeld dig](https://rummelig.example "button")`.
"""

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

SPECIAL = re.compile(r"([!-/:-@\[-`{-~])")
"""ASCII punctuation: CommonMark takes a backslash before any of it."""

TAGS = {"a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "hr", "img", "li", "ol", "p", "pre", "strong", "ul"}
ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt"}, "ol": {"start"}}
SCHEMES = {"https", "http", "mailto", "tel"}

# Mail programs drop style sheets here and there: every element carries its own style.
STYLES = {
    "h1": "margin:0 0 16px;font-size:24px;line-height:1.3",
    "h2": "margin:28px 0 8px;font-size:19px;line-height:1.35",
    "h3": "margin:24px 0 8px;font-size:17px;line-height:1.4",
    "p": "margin:0 0 16px",
    "ul": "margin:0 0 16px;padding-left:22px",
    "ol": "margin:0 0 16px;padding-left:22px",
    "li": "margin:0 0 6px",
    "a": "color:#0b5a5e",
    "blockquote": "margin:0 0 16px;padding-left:14px;border-left:3px solid #d9d5cb;color:#50595c",
    "pre": "margin:0 0 16px;white-space:pre-wrap",
    "hr": "margin:24px 0;border:0;border-top:1px solid #d9d5cb",
    "img": "max-width:100%;height:auto",
}
BUTTON = (
    "display:inline-block;padding:13px 26px;border-radius:8px;background:#0b5a5e;color:#ffffff;font-weight:600;"
    "text-decoration:none"
)
BUTTON_TITLE = "button"


def escape(value: object) -> Markup:
    """A value as Markdown that shows it as it is, on one line: no markup, no link of its own."""
    line = " ".join(str(value).split())
    return Markup(SPECIAL.sub(r"\\\1", line))  # noqa: S704 - Markdown, not HTML


def prose(text: str) -> Markup:
    """Text of several lines as Markdown that keeps its paragraphs and lines and shows the rest as it is."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return Markup("\n\n").join(
        Markup("\\\n").join(escape(line) for line in paragraph.splitlines()) for paragraph in paragraphs
    )


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - some 30 ms, which the first mail has and the start has not

    return MarkdownIt("commonmark", {"html": False})


def to_html(markdown: str) -> str:
    """HTML without scripts, forms, raw HTML of the author or unsafe links, every element styled."""
    import nh3  # noqa: PLC0415 - as in _parser

    clean = nh3.clean(_parser().render(markdown), tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel=None)
    styled = re.sub(r"<(\w+)", lambda tag: _styled(tag[1]), clean)
    return re.sub(r'<a style="[^"]*" ([^>]*) title="button">', rf'<a style="{BUTTON}" \1>', styled)


def _styled(tag: str) -> str:
    return f'<{tag} style="{STYLES[tag]}"' if tag in STYLES else f"<{tag}"


def to_text(markdown: str) -> str:
    """Plain text: links with their addresses behind them, lists with their marks, no stars and hashes."""
    from markdown_it.tree import SyntaxTreeNode  # noqa: PLC0415 - as in _parser

    return _blocks(SyntaxTreeNode(_parser().parse(markdown)), "\n\n").strip()


def to_line(markdown: str) -> str:
    """One line of plain text: a subject."""
    return " ".join(to_text(markdown).split())


def _blocks(node: "SyntaxTreeNode", between: str) -> str:
    return between.join(filter(None, (_block(child) for child in node.children)))


def _block(node: "SyntaxTreeNode") -> str:  # noqa: PLR0911 - a table of block types
    match node.type:
        case "heading":
            return _heading(_inline(node), node.tag)
        case "paragraph":
            return _inline(node)
        case "bullet_list":
            return _items(node, ["- "] * len(node.children))
        case "ordered_list":
            first = int(node.attrs.get("start", 1))
            return _items(node, [f"{first + i}. " for i in range(len(node.children))])
        case "blockquote":
            return _indented(_blocks(node, "\n\n"), "> ", "> ")
        case "hr":
            return "---"
        case _:
            return node.content.rstrip("\n")


def _heading(text: str, tag: str) -> str:
    line = {"h1": "=", "h2": "-"}.get(tag)
    return f"{text}\n{line * min(len(text), 60)}" if line else text


def _items(node: "SyntaxTreeNode", marks: list[str]) -> str:
    tight = all(p.hidden for item in node.children for p in item.children if p.type == "paragraph")
    items = [
        _indented(_blocks(item, "\n" if tight else "\n\n"), mark, " " * len(mark))
        for item, mark in zip(node.children, marks, strict=True)
    ]
    return ("\n" if tight else "\n\n").join(items)


def _indented(text: str, first: str, rest: str) -> str:
    head, *lines = text.split("\n")
    return "\n".join([first + head, *(rest + line if line else rest.rstrip() for line in lines)])


def _inline(node: "SyntaxTreeNode") -> str:
    return "".join(_span(child) for inline in node.children for child in inline.children)


def _span(node: "SyntaxTreeNode") -> str:
    match node.type:
        case "softbreak":
            return " "
        case "hardbreak":
            return "\n"
        case "link":
            return _link("".join(map(_span, node.children)), node.attrs)
        case "text" | "code_inline" | "image":
            return node.content
        case _:
            return "".join(map(_span, node.children))


def _link(text: str, attributes: dict[str, Any]) -> str:
    address = str(attributes["href"]).removeprefix("mailto:")
    if text == address:
        return address
    return f"{text}:\n{address}" if attributes.get("title") == BUTTON_TITLE else f"{text} ({address})"
