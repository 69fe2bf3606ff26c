"""Every service has the same shape, and imports go only where they may."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent for path in (ROOT / "services").glob("*/__init__.py"))
MODULES = ["messages", "domain", "handlers", "store", "settings", "app", "__main__"]


def source(service: Path, module: str) -> ast.Module:
    """A module's code; of a package its `__init__.py`."""
    file = service / f"{module}.py"
    path = file if file.exists() else service / module / "__init__.py"
    return ast.parse(path.read_text(encoding="utf-8"))


def assigned(code: ast.Module) -> set[str]:
    """The names that a module gives a value to."""
    targets = [
        target
        for node in code.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    return {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
class TestService:
    @pytest.mark.parametrize("module", MODULES)
    def test_has_module(self, service: Path, module: str):
        assert ast.get_docstring(source(service, module)) or module in ("__main__", "domain"), (
            f"{module}: what it holds"
        )

    def test_says_what_it_owns(self, service: Path):
        said = ast.get_docstring(ast.parse((service / "__init__.py").read_text(encoding="utf-8")))
        assert said
        assert len(said) > 40

    def test_messages_hold_nothing_but_the_three_tables(self, service: Path):
        code = source(service, "messages")
        assert assigned(code) == {"COMMANDS", "CONSUMES", "PUBLISHES"}
        assert not [
            node for node in code.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]

    def test_store_names_its_repositories(self, service: Path):
        assert "REPOSITORIES" in assigned(source(service, "store"))

    def test_is_made_by_create(self, service: Path):
        create = importlib.import_module(f"services.{service.name}.app").create
        (settings,) = inspect.signature(create).parameters.values()
        assert settings.default is None

    def test_main_only_serves(self, service: Path):
        assert len(source(service, "__main__").body) == 4  # three imports and the call


def test_no_service_is_missing():
    assert {path.name for path in SERVICES} >= {"supplier", "events", "procurement", "notifications"}


def test_imports_go_only_where_they_may(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    status = lint_imports(no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out
