"""The words of every kind of mail: one Markdown template for a kind and a language.

Its blocks are `subject`, `body` and `small` (why one gets the mail); `more` may follow the body and stands apart from
it, so that nothing an author leaves open in a body can swallow it. Values are shown as they are: they hold no markup.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.notifications.composing import markdown
from shared.contracts.types import Language

FOLDER = Path(__file__).parents[1] / "templates" / "mail"


@dataclass(frozen=True)
class Content:
    """What a mail says: its subject, its text, its HTML."""

    subject: str
    text: str
    html: str

    def replaced(self, mark: str, by: str) -> "Content":
        """The same with an address in place of a mark that stood for it. Both hold no character that HTML escapes."""
        return Content(self.subject, self.text.replace(mark, by), self.html.replace(mark, by))


class Templates:
    """Renders mails. Templates are compiled once."""

    def __init__(self) -> None:
        loader = FileSystemLoader(FOLDER)
        common: dict[str, Any] = {"loader": loader, "undefined": StrictUndefined, "autoescape": True}
        self._words = Environment(**common, finalize=_shown, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
        self._words.filters["prose"] = markdown.prose
        self._layout = Environment(**common, trim_blocks=True, lstrip_blocks=True).get_template("layout.html")  # noqa: S701

    def render(self, kind: str, language: Language, values: dict[str, Any]) -> Content:
        """The mail of a kind in a language."""
        blocks = self._blocks(f"{kind}.{language}.md", values)
        subject = markdown.to_line(blocks["subject"])
        parts = [blocks[name].strip() for name in ("body", "more") if blocks.get(name, "").strip()]
        texts = [markdown.to_text(part) for part in parts]
        return Content(
            subject=subject,
            text="\n\n".join(texts) + f"\n\n---\n{markdown.to_text(blocks['small'])}\n",
            html=self._layout.render(
                lang=language,
                subject=subject,
                body=Markup("\n".join(markdown.to_html(part) for part in parts)),  # noqa: S704 - sanitised
                small=Markup(markdown.to_html(blocks["small"])),  # noqa: S704 - sanitised
            ),
        )

    def _blocks(self, name: str, values: dict[str, Any]) -> dict[str, str]:
        template = self._words.get_template(name)
        return {
            block: "".join(render(template.new_context(values))).strip() for block, render in template.blocks.items()
        }


def _shown(value: object) -> Markup:
    return value if isinstance(value, Markup) else markdown.escape(value)
