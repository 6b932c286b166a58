"""Rules are loaded by path, and a rule that breaks the contract stops the run with its file and line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from leakaudit.errors import RuleLoadError
from leakaudit.scan import loader

PAGE = '''"""Things pile up.

    What it does
        Looks.
    Why it leaks
        It grows.
    Example
        x = 1
    Use instead
        y = 1
    What we do not flag
        z
    References
        none
    """
'''


def rule_text(
    code: str = "LA101", name: str = "piled-things", page: str = PAGE, cls: str = "PiledThings"
) -> str:
    return (
        "from leakaudit.scan.rule import Rule\n\n\n"
        f"class {cls}(Rule):\n    {page}\n    code = {code!r}\n    name = {name!r}\n"
    )


@pytest.fixture
def builtin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "builtin"
    folder.mkdir()
    monkeypatch.setattr(loader, "builtin_rules_dir", lambda: folder)
    return folder


def test_rules_come_sorted_by_code_as_instances(builtin: Path) -> None:
    (builtin / "piled_things.py").write_text(rule_text("LA202"))
    (builtin / "other_things.py").write_text(rule_text("LA101", "other-things"))
    rules = loader.load_rules()
    assert [(rule.code, rule.name) for rule in rules] == [
        ("LA101", "other-things"),
        ("LA202", "piled-things"),
    ]
    assert type(rules[1]).__module__ == "leakaudit.rules.piled_things"


def test_zero_rules_is_an_error(builtin: Path) -> None:
    with pytest.raises(RuleLoadError, match="no rules"):
        loader.load_rules()


def test_user_rules_have_their_own_prefix(builtin: Path, tmp_path: Path) -> None:
    (builtin / "piled_things.py").write_text(rule_text())
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "own_things.py").write_text(rule_text("ACME1", "own-things"))
    (mine / "__init__.py").write_text("")
    rules = loader.load_rules([mine, str(mine)])
    assert [rule.code for rule in rules] == ["ACME1", "LA101"]
    module = type(rules[0]).__module__
    assert module.startswith("leakaudit_user_rules_")
    assert sys.modules[module].__file__ == str(mine / "own_things.py")


def test_user_rules_cannot_take_a_builtin_name_or_code(builtin: Path, tmp_path: Path) -> None:
    (builtin / "piled_things.py").write_text(rule_text())
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "piled_things.py").write_text(rule_text("ACME1"))
    with pytest.raises(
        RuleLoadError, match=r"mine/piled_things.py:4: piled-things is taken by .*builtin/piled_th"
    ):
        loader.load_rules([mine])
    (mine / "piled_things.py").write_text(rule_text("LA900"))
    with pytest.raises(RuleLoadError, match="not capitals and digits"):
        loader.load_rules([mine])


@pytest.mark.parametrize(
    "make", [lambda folder: None, lambda folder: folder.mkdir()], ids=["missing", "empty"]
)
def test_a_rules_folder_without_rules_is_an_error(builtin: Path, tmp_path: Path, make: object) -> None:
    (builtin / "piled_things.py").write_text(rule_text())
    make(tmp_path / "mine")  # type: ignore[operator]
    with pytest.raises(RuleLoadError, match=r"--rules .*mine"):
        loader.load_rules([tmp_path / "mine"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = (\n", r"piled_things.py:1: .*never closed"),
        ("x = 1\n\nx.y\n", r"piled_things.py:3: AttributeError: "),
        ("import nosuchmodule\n", r"piled_things.py:1: ModuleNotFoundError"),
        ("from leakaudit.scan.rule import Rule\n", r"piled_things.py:1: no rule in it"),
        (
            rule_text() + rule_text(cls="More"),
            r"piled_things.py:26: 2 rules in one file \(PiledThings, More\)",
        ),
        (rule_text(code="LA1"), r"piled_things.py:4: the code 'LA1' is not LA and three digits"),
        (
            rule_text(name="heaped-things"),
            r"piled_things.py:4: the name is 'heaped-things', but the file says",
        ),
        (rule_text(page=""), r"piled_things.py:4: no docstring"),
        (
            rule_text(page=PAGE.replace("Use instead", "Do")),
            r"piled_things.py:4: the docstring lacks Use instead",
        ),
    ],
)
def test_a_broken_rule_names_its_line(builtin: Path, text: str, message: str) -> None:
    (builtin / "piled_things.py").write_text(text)
    with pytest.raises(RuleLoadError, match=message):
        loader.load_rules()


def test_the_builtin_folder_is_the_shipped_one_or_the_checkout_never_a_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "leakaudit"
    package.mkdir(parents=True)
    monkeypatch.setattr(loader, "_PACKAGE", package)
    (tmp_path / "site-packages" / "rules").mkdir()
    with pytest.raises(RuleLoadError, match="no rules are shipped"):
        loader.builtin_rules_dir()
    (tmp_path / "site-packages" / "pyproject.toml").write_text("")
    assert loader.builtin_rules_dir() == tmp_path / "site-packages" / "rules"
    (package / "rules").mkdir()
    assert loader.builtin_rules_dir() == package / "rules"


def test_a_broken_import_names_the_line_of_the_import(
    builtin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_written_helper.py").write_text("\n\nx = (\n")
    monkeypatch.syspath_prepend(tmp_path)
    (builtin / "piled_things.py").write_text("import sys\n\nimport half_written_helper\n")
    with pytest.raises(
        RuleLoadError, match=r"piled_things.py:3: SyntaxError: .*half_written_helper.py, line 3"
    ):
        loader.load_rules()
