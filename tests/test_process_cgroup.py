"""Cgroup memory of both versions, from trees as the kernel lays them out."""

from __future__ import annotations

import pytest

from leakaudit.process import cgroup, procfs
from leakaudit.process.sample import CgroupMemory


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Lay out a cgroup tree: kernel(membership, {path: text}) for mounts v1/ and v2/."""
    membership = {"text": b""}
    real = procfs.read
    monkeypatch.setattr(
        procfs,
        "read",
        lambda path: membership["text"] if path == "/proc/7/cgroup" else real(path),
    )
    monkeypatch.setattr(cgroup, "mounts", lambda: (("v1", f"{tmp_path}/v1"), ("v2", f"{tmp_path}/v2")))

    def lay_out(text, files):
        membership["text"] = text.encode()
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    return lay_out


def test_version_2_takes_the_tightest_limit_of_all_ancestors(kernel):
    kernel(
        "0::/pod/app\n",
        {
            "v2/pod/memory.current": "900\n",
            "v2/pod/memory.max": "5000\n",
            "v2/pod/app/memory.current": "700\n",
            "v2/pod/app/memory.max": "max\n",
            "v2/pod/app/memory.stat": "anon 400\ninactive_file 250\nactive_file 10\n",
        },
    )
    assert cgroup.memory(7) == CgroupMemory("/pod/app", usage=700, working_set=450, limit=5000)


def test_version_2_without_any_limit(kernel):
    kernel("0::/app\n", {"v2/app/memory.current": "700\n", "v2/app/memory.max": "max\n"})
    assert cgroup.memory(7) == CgroupMemory("/app", usage=700, working_set=700, limit=None)


def test_version_1_reads_the_hierarchical_limit(kernel):
    kernel(
        "9:name=systemd:/\n4:memory:/docker/abc\n3:cpuset:/\n0::/\n",
        {
            "v1/docker/abc/memory.usage_in_bytes": "700\n",
            "v1/docker/abc/memory.stat": "total_inactive_file 100\nhierarchical_memory_limit 2000\n",
        },
    )
    assert cgroup.memory(7) == CgroupMemory("/docker/abc", usage=700, working_set=600, limit=2000)


def test_version_1_writes_no_limit_as_a_huge_number(kernel):
    kernel(
        "4:memory:/\n",
        {
            "v1/memory.usage_in_bytes": "700\n",
            "v1/memory.stat": "hierarchical_memory_limit 9223372036854771712\n",
        },
    )
    assert cgroup.memory(7) == CgroupMemory("/", usage=700, working_set=700, limit=None)


def test_in_a_container_the_mount_itself_answers_for_an_unknown_path(kernel):
    kernel("0::/../outside/abc\n", {"v2/memory.current": "42\n", "v2/memory.max": "64\n"})
    found = cgroup.memory(7)
    assert found is not None
    assert (found.usage, found.limit) == (42, 64)


def test_no_memory_controller_is_none(kernel):
    kernel("0::/app\n2:cpu:/app\n", {})
    assert cgroup.memory(7) is None


def test_this_machine_is_read_without_error():
    cgroup.mounts.cache_clear()
    found = cgroup.memory(1)
    assert found is None or found.usage >= found.working_set >= 0
