"""[tool.leakaudit]: where it is looked for, and that nothing in it is silently ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from leakaudit.errors import ConfigError
from leakaudit.facts.custom import Tables
from leakaudit.findings import Confidence, Severity
from leakaudit.scan.config import Config, load_config

FULL = """
[tool.leakaudit]
select = ["LA1", "cache-on-method"]
ignore = ["LA104"]
exclude = ["docs/"]
confidence = "low"
baseline = "leaks.json"

[tool.leakaudit.per-file-ignores]
"tests/**" = ["LA101"]

[tool.leakaudit.severity]
LA101 = "error"

[tool.leakaudit.tables]
bounded = ["mylib.Queue"]

[tool.leakaudit.budgets]
rss = "512 MB"
"""


def project(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_every_key(tmp_path: Path) -> None:
    config = load_config(project(tmp_path, FULL))
    assert config == Config(
        root=str(tmp_path),
        path=str(tmp_path / "pyproject.toml"),
        select=("LA1", "cache-on-method"),
        ignore=("LA104",),
        per_file_ignores={"tests/**": ("LA101",)},
        exclude=("docs/",),
        confidence=Confidence.LOW,
        severity={"LA101": Severity.ERROR},
        baseline="leaks.json",
        tables=Tables(bounded=("mylib.Queue",)),
        budgets={"rss": "512 MB"},
    )


def test_the_nearest_table_wins_and_files_without_one_are_passed_by(tmp_path: Path) -> None:
    project(tmp_path, '[tool.leakaudit]\nselect = ["LA1"]\n')
    project(tmp_path / "a", "[project]\nname = 'a'\n")
    project(tmp_path / "a/b", '[tool.leakaudit]\nselect = ["LA2"]\n')
    (tmp_path / "a/b/c.py").write_text("")
    assert load_config(tmp_path / "a").select == ("LA1",)
    assert load_config(tmp_path / "a/b").select == ("LA2",)
    assert load_config(tmp_path / "a/b/c.py").root == str(tmp_path / "a/b")


def test_no_table_means_the_defaults(tmp_path: Path) -> None:
    project(tmp_path, "[tool.ruff]\nline-length = 100\n")
    assert load_config(tmp_path) == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('slect = ["LA1"]', "unknown key `slect` in .*did you mean `select`?"),
        ('per_file_ignores = ["LA1"]', "did you mean `per-file-ignores`?"),
        ("colour = 1", "unknown key `colour` in .*known keys: select, "),
        ('select = "LA1"', "`select` in .* has to be a list of strings, not 'LA1'"),
        ("exclude = [1]", "has to be a list of strings"),
        (
            'confidence = "certain"',
            '`confidence` in .* has to be "high" or "medium" or "low", not \'certain\'',
        ),
        ("confidence = [1]", "`confidence` in .* has to be"),
        ('per-file-ignores = {"a" = "LA1"}', "has to be a table such as"),
        ('severity = {LA101 = "fatal"}', "of error, warning or info, not"),
        ("tables = 1", "`tables` in .* has to be a table, not 1"),
        ("tables.bound = []", "unknown key `bound` in .*tables.*did you mean `bounded`?"),
        ("tables.entry_points = []", "did you mean `entry-points`?"),
        ("tables.colour = []", "known keys: bounded, weak, "),
        ('tables.bounded = "a.b"', "`bounded` in .*tables. has to be a list of dotted names, not 'a.b'"),
        ('tables.transient = ["a b"]', "has to be a list of dotted names"),
        (
            'tables.containers = {Store = "tree"}',
            "to map constructors to kinds.*kinds: buffer, counter, ",
        ),
        ("tables.registrations = [1]", "to map calls that add to calls that remove"),
        ("tables.registrations = {add = 1}", "`registrations` in .* has to be a list of dotted names, not 1"),
        ("baseline = []", "has to be a string"),
    ],
)
def test_what_is_not_understood_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(project(tmp_path, f"[tool.leakaudit]\n{text}\n"))


@pytest.mark.parametrize("text", ["[tool.leakaudit", "[tool]\nleakaudit = 1\n"])
def test_a_damaged_file_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"pyproject.toml"):
        load_config(project(tmp_path, text))
