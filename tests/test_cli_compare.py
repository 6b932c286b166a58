"""`leakaudit compare`, with programs that are really run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from leakaudit.cli.main import cli
from leakaudit.process import procfs

#: A job of 40 short rounds, each of which leaves 1 MiB in a cycle.
JOB = """
import gc, sys, time
gc.disable()
every, mode = int(sys.argv[1]), sys.argv[2]
if mode == "crash":
    sys.exit("this job cannot start")
class Round: pass
for number in range(1, 41):
    done = Round(); done.me = done; done.data = bytearray(b"x") * (1 << 20)
    del done
    if every and number % every == 0:
        gc.collect()
    time.sleep(0.01)
print("done", flush=True)
sys.exit(mode == "fail")
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "job.py"
    path.write_text(JOB, encoding="utf-8")
    return path


def compare(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["compare", *arguments])


def said(result: Result) -> str:
    """Everything that was printed, as one line."""
    return " ".join(result.output.split())


def test_expectations_that_are_met(job: Path, tmp_path: Path) -> None:
    picture = tmp_path / "curves.svg"
    result = compare(
        *("--vary", "every=0,1", "--every", "10ms", "--warmup", "25%", "--floor", "2MB"),
        *("--expect", "every=0:end>30MB", "--expect", "every=1:stable", "--expect", "every=1:peak<0.6x"),
        *("--picture", str(picture)),
        *("--", sys.executable, str(job), "{every}", "run"),
    )
    assert result.exit_code == 0, result.output
    assert "3 of 3 expectations met" in result.output
    assert picture.stat().st_size > 1000


def test_an_expectation_that_is_not_met_is_exit_1_and_says_what_was_seen(job: Path) -> None:
    result = compare("--every", "10ms", "--expect", "spiky", "--", sys.executable, str(job), "0", "run")
    assert result.exit_code == 1
    assert re.search(r"failed spiky \[as it is\]: .+ in 1 of 1 \(.+\)", said(result))
    assert "0 of 1 expectation met" in result.output


def test_a_run_that_crashes_is_told_and_the_others_count(job: Path) -> None:
    result = compare("--vary", "mode=run,crash", "--", sys.executable, str(job), "1", "{mode}")
    assert result.exit_code == 0
    assert re.search(
        r"mode=crash: 1 run left out, ended with exit code 1\b.*: this job cannot start", said(result)
    )


def test_other_exit_codes_may_count(job: Path) -> None:
    command = ("--", sys.executable, str(job), "1", "fail")
    assert compare("--exit-codes", "0,1", *command).exit_code == 0
    assert compare("--exit-codes", "0,2", *command).exit_code == 2
    assert "no numbers" in said(compare("--exit-codes", "none", *command))


def test_all_crashed_is_exit_2(job: Path) -> None:
    result = compare("--repeat", "2", "--", sys.executable, str(job), "1", "crash")
    assert result.exit_code == 2
    assert "no run ended well" in said(result)
    assert "this job cannot start" in said(result)


def test_json(job: Path) -> None:
    result = compare("--env", "MODE=,x", "--format", "json", "--", sys.executable, str(job), "1", "run")
    found = json.loads(result.output)
    assert found["schema"] == "leakaudit/compare/v1"
    assert [setting["setting"] for setting in found["settings"]] == [{"MODE": ""}, {"MODE": "x"}]
    assert [setting["environment"] for setting in found["settings"]] == [{"MODE": None}, {"MODE": "x"}]
    assert all(setting["runs"][0]["peak"] > 1 << 20 for setting in found["settings"])


def test_only_what_is_missing_runs_again(job: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    arguments = ("--vary", "every=0,1", "-o", str(folder), "--", sys.executable, str(job), "{every}", "run")
    assert compare(*arguments).exit_code == 0
    first, second = sorted(folder.glob("*.jsonl"))
    lines = first.read_text(encoding="utf-8").splitlines()
    first.write_text("\n".join(lines[: len(lines) // 2]), encoding="utf-8")  # as if it had been killed
    kept = second.stat().st_mtime_ns
    assert compare(*arguments).exit_code == 0
    assert json.loads(first.read_text(encoding="utf-8").splitlines()[-1])["kind"] == "end"
    assert second.stat().st_mtime_ns == kept


def test_recordings_of_another_command_are_refused(job: Path, tmp_path: Path) -> None:
    folder = str(tmp_path / "kept")
    assert compare("-o", folder, "--", sys.executable, str(job), "1", "run").exit_code == 0
    result = compare("-o", folder, "--", sys.executable, str(job), "2", "run")
    assert result.exit_code == 2
    assert "another command" in said(result)


FAMILY = """
import subprocess, sys, time
code = "import time; x = b'x' * (40 << 20); print('HERE', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session="{session}" == "own")
child.stdout.readline()
print(child.pid, flush=True)
time.sleep({seconds})
"""


@pytest.mark.parametrize("session", ["same", "own"])
@pytest.mark.parametrize(("seconds", "limit"), [(1, ()), (60, ("--for", "4s"))])
def test_children_are_counted_and_none_is_left(
    tmp_path: Path, session: str, seconds: int, limit: tuple[str, ...]
) -> None:
    script = tmp_path / "family.py"
    script.write_text(FAMILY.format(session=session, seconds=seconds), encoding="utf-8")
    folder = tmp_path / "kept"
    result = compare(*limit, "--format", "json", "-o", str(folder), "--", sys.executable, str(script))
    assert result.exit_code == 0, result.output
    (run,) = json.loads(result.output)["settings"][0]["runs"]
    assert run["processes"] == 2
    assert run["peak"] > 40 << 20
    (log,) = folder.glob("*.log")
    assert gone(int(log.read_text(encoding="utf-8")))


DAEMON = """
import os, time
there, here = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        os.write(here, b".")
        time.sleep(60)
    os._exit(0)
os.read(there, 1)
os.wait()
time.sleep({seconds})
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lets us adopt orphans")
@pytest.mark.parametrize("seconds", [0.0, 0.4])
def test_a_daemon_does_not_slip_away(tmp_path: Path, seconds: float) -> None:
    script = tmp_path / "daemon.py"
    script.write_text(DAEMON.format(seconds=seconds), encoding="utf-8")
    folder = tmp_path / "kept"
    compare("-o", str(folder), "--", sys.executable, str(script))
    (log,) = folder.glob("*.log")
    assert gone(int(log.read_text(encoding="utf-8")))


def gone(pid: int) -> bool:
    """Whether a process ends within 20 seconds; init may take a moment to reap it."""
    for _ in range(2000):
        stat = procfs.stat(pid)
        if stat is None or stat.is_zombie:
            return True
        time.sleep(0.01)
    return False


def test_no_run_outlives_us_when_we_are_terminated(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    command = (
        sys.executable,
        "-m",
        "leakaudit",
        "compare",
        "-o",
        str(tmp_path),
        "--",
        sys.executable,
        "-c",
        code,
    )
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as comparing:
        pid = written(tmp_path)
        comparing.terminate()
        assert comparing.wait(60) == 130
    assert gone(pid)


def written(folder: Path) -> int:
    """The number that a run has written into its log."""
    for _ in range(6000):
        text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.log"))
        if text.endswith("\n"):
            return int(text)
        time.sleep(0.01)
    raise AssertionError("the run did not start")


def test_a_run_that_takes_too_long_has_failed(tmp_path: Path) -> None:
    result = compare("--timeout", "300ms", "--", sys.executable, "-c", "import time; time.sleep(60)")
    assert result.exit_code == 2
    assert "time limit" in said(result)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--vary", "n=1,2", "--", "true"), r"no \{n\}"),
        (("--", "no-such-program-anywhere"), "cannot run no-such-program-anywhere"),
        (("--expect", "n=1:growing", "--", "true"), "not varied"),
        (("--picture", "x.gif", "--", "true"), "cannot draw"),
        (("--floor", "much", "--", "true"), "not a size"),
    ],
)
def test_what_a_user_can_get_wrong(arguments: tuple[str, ...], told: str) -> None:
    result = compare(*arguments)
    assert result.exit_code == 2
    assert re.search(told, said(result))


def test_the_environment_is_set_and_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEAKAUDIT_PROBE", "outer")
    code = "import os; print(os.environ.get('LEAKAUDIT_PROBE'))"
    folder = tmp_path / "kept"
    compare("--env", "LEAKAUDIT_PROBE=,inner", "-o", str(folder), "--", sys.executable, "-c", code)
    seen = {path.name.split("=")[1].split("-")[0]: path.read_text().strip() for path in folder.glob("*.log")}
    assert seen == {"unset": "None", "inner": "inner"}
    assert os.environ["LEAKAUDIT_PROBE"] == "outer"


def test_the_page_names_every_option_and_understands_its_own_expectations() -> None:
    from leakaudit.cli.compare import compare as command
    from leakaudit.process.compare.expect import FAMILIES, parse_expectation
    from leakaudit.process.trend import Shape

    page = (Path(__file__).resolve().parent.parent / "docs" / "compare.md").read_text(encoding="utf-8")
    options = {name for param in command.params for name in param.opts if name.startswith("--")}
    assert {option for option in options if option not in page} == {"--output"}
    table = page.split("| WHAT | met by |")[1].split("\n\n")[0]
    words = [word.replace("\\|", "|") for word in re.findall(r"`([^`]+)`", table) if word not in "<>"]
    assert len([parse_expectation(word, {}) for word in words]) > 15
    assert set(FAMILIES) | {shape.value.replace(" ", "-") for shape in Shape} <= set(words)
