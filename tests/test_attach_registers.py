"""Register files know the calling convention and the system calls of their processor."""

from __future__ import annotations

import ctypes

import pytest

from leakaudit.runtime.attach import main_thread
from leakaudit.runtime.attach.registers import MACHINES, PROVEN, X86_64, AArch64, Registers

MASK = (1 << 64) - 1
SVC = AArch64.syscall_instruction
NOWHERE = bytes(8)


def x86_64(**values: int) -> X86_64:
    registers = X86_64()
    for name, value in values.items():
        setattr(registers, name, value & MASK)
    return registers


def aarch64(pc: int = 0x4000, x0: int = 0, x8: int = 0) -> AArch64:
    registers = AArch64()
    registers.program_counter = pc
    registers.x[0], registers.x[8] = x0 & MASK, x8
    return registers


@pytest.mark.parametrize(("kind", "size"), [(X86_64, 27 * 8), (AArch64, 34 * 8)])
def test_size_is_the_kernels(kind: type[Registers], size: int) -> None:
    assert ctypes.sizeof(kind) == size


@pytest.mark.parametrize("kind", MACHINES.values())
def test_every_understood_wait_is_known_or_absent_from_the_processor(kind: type[Registers]) -> None:
    absent = {"poll", "select", "epoll_wait", "pause"} if kind is AArch64 else set()
    assert set(main_thread._UNDERSTOOD_WAITS) - kind.syscalls.keys() == absent
    assert {"futex", "mmap", "restart_syscall"} <= kind.syscalls.keys()
    assert len(set(kind.syscalls.values())) == len(kind.syscalls)


def test_only_what_was_tried_is_proven() -> None:
    assert {X86_64.elf_machine} == PROVEN


@pytest.mark.parametrize(
    ("rax", "orig_rax", "expected"),
    [
        (-512, 0, 0),
        (-516, 7, 7),
        (-4, 232, 232),
        (-11, 0, None),  # EAGAIN: the call is over
        (-512, -1, None),  # no system call: the program itself holds this number
        (5, 202, None),
    ],
)
def test_wait_on_x86_64(rax: int, orig_rax: int, expected: int | None) -> None:
    assert x86_64(rax=rax, orig_rax=orig_rax).blocked_in(NOWHERE) == expected


def test_interrupted_wait_on_x86_64_returns_eintr() -> None:
    registers = x86_64(rax=-516, orig_rax=7)
    assert registers.restarts_by_block()
    registers.interrupt_syscall()
    assert (registers.rax, registers.orig_rax) == (-4 & MASK, MASK)
    assert not registers.restarts_by_block()


def test_call_on_x86_64() -> None:
    registers = x86_64(orig_rax=7, eflags=0x646)
    registers.start_call(0x1234, (1, 2, -1), 0x7000)
    assert (registers.rdi, registers.rsi, registers.rdx) == (1, 2, MASK)
    assert (registers.pc, registers.sp, registers.orig_rax) == (0x1234, 0x7000 - 8, MASK)
    assert registers.eflags == 0x246


@pytest.mark.parametrize(
    ("code", "x0", "expected"),
    [
        (bytes(4) + SVC, 5, 73),
        (SVC + bytes(4), -4, 73),
        (SVC + bytes(4), 3, None),
        (bytes(8), -4, None),
    ],
)
def test_wait_on_aarch64(code: bytes, x0: int, expected: int | None) -> None:
    assert aarch64(x0=x0, x8=73).blocked_in(code) == expected


def test_interrupted_wait_on_aarch64_returns_eintr() -> None:
    waiting, failed = aarch64(x0=5), aarch64(x0=-4)
    waiting.interrupt_syscall()
    failed.interrupt_syscall()
    assert (waiting.pc, waiting.result) == (0x4004, -4 & MASK)
    assert (failed.pc, failed.result) == (0x4000, -4 & MASK)


def test_call_on_aarch64() -> None:
    registers = aarch64()
    registers.x[30], registers.pstate = 0x999, 0x80000C00
    registers.start_call(0x1234, (1, -1), 0x7000)
    assert (registers.x[0], registers.x[1], registers.x[30]) == (1, MASK, 0)
    assert (registers.pc, registers.sp, registers.pstate) == (0x1234, 0x7000, 0x80000000)


def test_system_call_on_aarch64() -> None:
    registers = aarch64()
    registers.start_syscall(0x5000, 222, (0, 4096, 3, 0x22, -1, 0))
    assert (registers.pc, registers.x[8], registers.x[1], registers.x[4]) == (0x5000, 222, 4096, MASK)
