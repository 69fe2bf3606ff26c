"""The table of README.md: who takes, tells and hears what."""

from pathlib import Path

from deploy.catalog import service_tables

README = Path(__file__).parents[2] / "README.md"
START, END = "<!-- generated: messages -->", "<!-- /generated -->"


def table() -> str:
    """Two Markdown tables: events with their publisher and consumers, commands with their service and answer."""
    tables = service_tables()
    lines = ["| event | published by | consumed by |", "|---|---|---|"]
    for name, its in tables.items():
        for event in its.publishes:
            consumers = ", ".join(other for other, theirs in tables.items() if event in theirs.consumes)
            lines.append(f"| `{event.message_name}` | {name} | {consumers or '– (for integrators)'} |")
    lines += ["", "| command | taken by | answer |", "|---|---|---|"]
    for name, its in tables.items():
        for command in its.commands:
            answer = ", ".join(f"`{field}`" for field in command.result.model_fields)
            lines.append(f"| `{command.message_name}` | {name} | {answer or 'done'} |")
    return "\n".join(lines)


def with_table(text: str) -> str:
    """The README's text with the present table between its markers. ValueError where a marker is missing."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"README.md lacks the lines {START} and {END}, between which the table stands")
    return f"{before}{START}\n\n{table()}\n\n{END}{after}"
