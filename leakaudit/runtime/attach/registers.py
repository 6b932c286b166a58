"""What the injector must know of a processor: its registers, how it calls, its system call numbers."""

from __future__ import annotations

import ctypes
from typing import ClassVar

_MASK = (1 << 64) - 1
_EINTR = 4
#: What the kernel leaves as the result of a system call that it will start again (ERESTARTSYS and its kin).
_RESTARTS = range(-516, -511)
_RESTART_BLOCK = -516


_X86_64_REGISTERS = (
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi", "orig_rax",
    "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
)  # fmt: skip


class Registers(ctypes.Structure):
    """The general registers of one stopped thread, laid out as the kernel hands them over (NT_PRSTATUS)."""

    machine: ClassVar[str]
    elf_machine: ClassVar[int]
    #: Other register sets that a call may change and that must be put back: ELF note types.
    other_sets: ClassVar[tuple[int, ...]]
    syscall_instruction: ClassVar[bytes]
    syscalls: ClassVar[dict[str, int]]

    @property
    def pc(self) -> int:
        """Return the address of the next instruction."""
        raise NotImplementedError

    @property
    def sp(self) -> int:
        """Return the stack pointer."""
        raise NotImplementedError

    @property
    def thread_pointer(self) -> int:
        """Return what pthread_self() returns in this thread, with glibc and musl."""
        raise NotImplementedError

    @property
    def result(self) -> int:
        """Return the unsigned result of a call or system call."""
        raise NotImplementedError

    def start_call(self, function: int, arguments: tuple[int, ...], stack: int) -> None:
        """Point at `function`; a return address of 0 must lie at `stack`."""
        raise NotImplementedError

    def start_syscall(self, instruction: int, number: int, arguments: tuple[int, ...]) -> None:
        """Point at a system call instruction."""
        raise NotImplementedError

    def blocked_in(self) -> int | None:
        """Return the number of the system call that waits and would go on after the stop, or None."""
        raise NotImplementedError

    def restarts_by_block(self) -> bool:
        """Tell whether going on needs the kernel's one-slot memory of the wait, which another wait overwrites."""
        raise NotImplementedError

    def interrupt_syscall(self) -> None:
        """Let the interrupted system call return EINTR, as it would after a signal."""
        raise NotImplementedError


class X86_64(Registers):  # noqa: N801
    """`struct user_regs_struct` of x86-64 Linux."""

    _fields_: ClassVar = [(name, ctypes.c_uint64) for name in _X86_64_REGISTERS]
    machine: ClassVar = "x86-64"
    elf_machine: ClassVar = 62
    other_sets: ClassVar = (0x202,)  # NT_X86_XSTATE: x87, SSE, AVX and what else the processor has
    syscall_instruction: ClassVar = b"\x0f\x05"
    syscalls: ClassVar = {
        "read": 0, "poll": 7, "mmap": 9, "munmap": 11, "readv": 19, "select": 23, "pause": 34, "nanosleep": 35,
        "accept": 43, "recvfrom": 45, "recvmsg": 47, "wait4": 61, "rt_sigtimedwait": 128, "rt_sigsuspend": 130,
        "futex": 202, "clock_nanosleep": 230, "epoll_wait": 232, "waitid": 247, "pselect6": 270, "ppoll": 271,
        "epoll_pwait": 281, "accept4": 288, "recvmmsg": 299, "epoll_pwait2": 441, "connect": 42,
        "restart_syscall": 219,
    }  # fmt: skip
    _argument_registers: ClassVar = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
    rax: int
    orig_rax: int
    rip: int
    rsp: int
    eflags: int
    fs_base: int

    @property
    def pc(self) -> int:
        """Return the address of the next instruction."""
        return self.rip

    @property
    def sp(self) -> int:
        """Return the stack pointer."""
        return self.rsp

    @property
    def thread_pointer(self) -> int:
        """Return what pthread_self() returns in this thread."""
        return self.fs_base

    @property
    def result(self) -> int:
        """Return the unsigned result of a call or system call."""
        return self.rax

    def start_call(self, function: int, arguments: tuple[int, ...], stack: int) -> None:
        """Point at `function`; a return address of 0 must lie at `stack`."""
        for name, value in zip(("rdi", "rsi", "rdx", "rcx"), arguments, strict=False):
            setattr(self, name, value & _MASK)
        self.rip, self.rsp, self.rax, self.orig_rax = function, stack, 0, _MASK
        self.eflags &= ~0x400  # the ABI wants the direction flag clear

    def start_syscall(self, instruction: int, number: int, arguments: tuple[int, ...]) -> None:
        """Point at a system call instruction."""
        for name, value in zip(self._argument_registers, arguments, strict=False):
            setattr(self, name, value & _MASK)
        self.rip, self.rax, self.orig_rax = instruction, number, _MASK

    def blocked_in(self) -> int | None:
        """Return the number of the system call that waits and would go on after the stop, or None."""
        result = _signed(self.rax)
        waits = result in _RESTARTS or result == -_EINTR
        return self.orig_rax if waits and _signed(self.orig_rax) >= 0 else None

    def restarts_by_block(self) -> bool:
        """Tell whether going on needs the kernel's one-slot memory of the wait, which another wait overwrites."""
        return self.blocked_in() is not None and _signed(self.rax) == _RESTART_BLOCK

    def interrupt_syscall(self) -> None:
        """Let the interrupted system call return EINTR, as it would after a signal."""
        self.rax, self.orig_rax = -_EINTR & _MASK, _MASK


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


#: The register files that the injector has, by the machine number in an ELF header.
MACHINES: dict[int, type[Registers]] = {X86_64.elf_machine: X86_64}
