"""Names and groups of processes, from their command lines."""

from __future__ import annotations

import pytest

from leakaudit.process.naming import group_of, label, names

PY = "/usr/bin/python3.12"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ((PY, "nodes/__main__.py", "--names", "agg_0", "--port", "8700"), "agg_0"),
        ((PY, "nodes/__main__.py", "--name=pos_12"), "pos_12"),
        ((PY, "node.py", "tac_2"), "tac_2"),
        ((PY, "/srv/fl/server/main.py", "--port", "0"), "server"),
        ((PY, "main.py"), "main"),
        ((PY, "-u", "-X", "dev", "worker.py"), "worker"),
        ((PY, "-m", "shop.worker"), "worker"),
        ((PY, "-m", "shop.main"), "shop"),
        ((PY, "-m", "uvicorn", "app:app"), "uvicorn"),
        ((PY, "train.py", "--model", "gpt-4"), "train"),
        ((PY, "train.py", "--encoding=utf-8"), "train"),
        ((PY, "-c", "print()"), "python3.12"),
        ((PY,), "python3.12"),
        (("/usr/bin/gunicorn: worker [shop]",), "gunicorn"),
        (("/usr/sbin/nginx", "-g", "daemon off;"), "nginx"),
        (("celery-1",), "celery-1"),
        ((), "kthreadd"),
    ],
)
def test_labels(command, expected):
    assert label(command, "kthreadd") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("agg_0", "agg_"), ("worker-12", "worker-"), ("server", "server"), ("v2", "v2"), ("a_b_3", "a_b_")],
)
def test_groups(text, expected):
    assert group_of(text) == expected


def test_a_budget_may_mean_a_process_by_label_group_script_or_folder():
    found = names((PY, "nodes/__main__.py", "--names", "agg_0"), "agg_0")
    assert {"agg_0", "agg", "node"} <= found
    assert "__main__" not in found
    assert {"server"} <= names((PY, "/srv/server/main.py"), "server")
    assert {"shop", "worker"} <= names((PY, "-m", "shop.worker"), "worker")
