"""The wheel: what is in it, and that it works where no checkout is."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import leakaudit

pytestmark = pytest.mark.slow

LEAK = """
from aiohttp import web

_sessions = {}


async def handle(request: web.Request) -> web.Response:
    _sessions[request.query["session"]] = request
    return web.Response()


app = web.Application()
app.router.add_get("/", handle)
"""


@pytest.fixture(scope="session")
def wheel_names(wheel_from_sdist: Path) -> set[str]:
    with zipfile.ZipFile(wheel_from_sdist) as wheel:
        return set(wheel.namelist())


@pytest.fixture(scope="session")
def installed(wheel_from_sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment that holds the wheel; dependencies come from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    subprocess.run(
        (
            sys.executable,
            "-m",
            "pip",
            "--python",
            python,
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            wheel_from_sdist,
        ),
        check=True,
    )
    # A folder named in a .pth file is searched last, and its own .pth files (an editable leakaudit) are not read.
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A user's project with a leak, and with a folder of its own that is named rules/."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "__init__.py").write_text(
        "raise RuntimeError('imported the rules of the audited project')\n"
    )
    (tmp_path / "rules" / "unbounded_mapping.py").write_text(
        "raise RuntimeError('loaded a rule of the audited project')\n"
    )
    (tmp_path / "app.py").write_text(LEAK)
    return tmp_path


def run(installed: Path, cwd: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (installed / "leakaudit", *args), cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_wheel_holds_every_rule(wheel_names: set[str], project_copy: Path) -> None:
    rules = {f"leakaudit/rules/{path.name}" for path in project_copy.glob("rules/*.py")}
    assert rules
    assert rules <= wheel_names


def test_the_wheel_holds_the_demo(wheel_names: set[str], project_copy: Path) -> None:
    fixture = project_copy / "tests" / "fixtures" / "federated"
    files = {
        f"leakaudit/demo/federated/{path.relative_to(fixture).as_posix()}" for path in fixture.rglob("*.py")
    }
    assert "leakaudit/demo/federated/server/main.py" in files
    assert files <= wheel_names


def test_the_wheel_holds_what_reports_need(wheel_names: set[str], project_copy: Path) -> None:
    page = project_copy / "leakaudit" / "report" / "html"
    files = {
        f"leakaudit/report/html/{path.relative_to(page).as_posix()}"
        for path in page.rglob("*")
        if path.is_file()
    }
    assert "leakaudit/report/html/vendor/LICENSE" in files
    assert files <= wheel_names
    assert "leakaudit/report/report-v1.json" in wheel_names


def test_an_installed_leakaudit_writes_html(installed: Path, elsewhere: Path) -> None:
    done = run(installed, elsewhere, "scan", "app.py", "--format", "html", "-o", "report.html")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "_sessions" in (elsewhere / "report.html").read_text(encoding="utf-8")


def test_the_wheel_owns_one_top_level_name(wheel_names: set[str]) -> None:
    top = {name.split("/", 1)[0] for name in wheel_names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"leakaudit"}


def test_the_wheel_holds_no_tests_and_no_bytecode(wheel_names: set[str]) -> None:
    assert not [
        n for n in wheel_names if "__pycache__" in n or "/tests/" in n or Path(n).name.startswith("test_")
    ]


def test_the_checkout_builds_the_same_wheel_as_the_sdist(
    wheel_names: set[str], project_copy: Path, build: Callable[..., None], tmp_path: Path
) -> None:
    build(project_copy, "--wheel", "--outdir", str(tmp_path))
    (direct,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(direct) as wheel:
        assert set(wheel.namelist()) == wheel_names


def test_an_installed_leakaudit_tells_its_version(installed: Path, elsewhere: Path) -> None:
    done = run(installed, elsewhere, "--version")
    assert done.returncode == 0, done.stderr
    assert leakaudit.__version__ in done.stdout


def test_an_installed_leakaudit_is_not_the_checkout(installed: Path, elsewhere: Path) -> None:
    command = (installed / "python", "-c", "import leakaudit; print(leakaudit.__file__)")
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(installed.parent)


def test_an_installed_leakaudit_explains_a_rule(installed: Path, elsewhere: Path) -> None:
    done = run(installed, elsewhere, "explain", "LA101")
    assert done.returncode == 0, done.stderr
    assert "unbounded-mapping" in done.stdout


def test_an_installed_leakaudit_scans_with_its_own_rules(installed: Path, elsewhere: Path) -> None:
    done = run(installed, elsewhere, "scan", "app.py")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "LA101" in done.stdout
    assert "_sessions" in done.stdout
