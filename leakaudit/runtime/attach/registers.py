"""What the injector must know of a processor: its registers, how it calls, its system call numbers."""

from __future__ import annotations

import ctypes
from typing import ClassVar

_MASK = (1 << 64) - 1
_EINTR = 4
#: What the kernel leaves as the result of a system call that it will start again (ERESTARTSYS and its kin).
_RESTARTS = range(-516, -511)
_RESTART_BLOCK = -516


class Registers(ctypes.Structure):
    """The general registers of one stopped thread, laid out as the kernel hands them over (NT_PRSTATUS)."""

    elf_machine: ClassVar[int]
    #: Other register sets that a call may change and that are put back, as far as the processor has them: ELF note types.
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
    def result(self) -> int:
        """Return the unsigned result of a call or system call."""
        raise NotImplementedError

    def start_call(self, function: int, arguments: tuple[int, ...], stack: int) -> None:
        """Point at `function`, with the return address 0; `stack` is a multiple of 16, and zeros lie below it."""
        raise NotImplementedError

    def start_syscall(self, instruction: int, number: int, arguments: tuple[int, ...]) -> None:
        """Point at a system call instruction."""
        raise NotImplementedError

    def blocked_in(self, code: bytes) -> int | None:
        """Return the number of the system call that waits and would go on after the stop, or None.

        `code` is the eight bytes around `pc`: four before it and four from it on.
        """
        raise NotImplementedError

    def restarts_by_block(self) -> bool:
        """Tell whether going on needs the kernel's one-slot memory of the wait, which another wait overwrites."""
        raise NotImplementedError

    def interrupt_syscall(self) -> None:
        """Let the system call that waits return EINTR, as it would after a signal."""
        raise NotImplementedError


_X86_64_REGISTERS = (
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi", "orig_rax",
    "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
)  # fmt: skip


class X86_64(Registers):  # noqa: N801
    """`struct user_regs_struct` of x86-64 Linux."""

    _fields_: ClassVar = [(name, ctypes.c_uint64) for name in _X86_64_REGISTERS]
    elf_machine: ClassVar = 62
    other_sets: ClassVar = (
        2,
        0x202,
    )  # NT_PRFPREG, NT_X86_XSTATE: x87, SSE, AVX and what else the processor has
    syscall_instruction: ClassVar = b"\x0f\x05"
    syscalls: ClassVar = {
        "read": 0, "poll": 7, "mmap": 9, "munmap": 11, "readv": 19, "select": 23, "pause": 34, "nanosleep": 35,
        "connect": 42, "accept": 43, "recvfrom": 45, "recvmsg": 47, "wait4": 61, "rt_sigtimedwait": 128,
        "rt_sigsuspend": 130, "futex": 202, "restart_syscall": 219, "clock_nanosleep": 230, "epoll_wait": 232,
        "waitid": 247, "pselect6": 270, "ppoll": 271, "epoll_pwait": 281, "accept4": 288, "recvmmsg": 299,
        "epoll_pwait2": 441,
    }  # fmt: skip
    rax: int
    orig_rax: int
    rip: int
    rsp: int
    eflags: int

    @property
    def pc(self) -> int:
        """Return the address of the next instruction."""
        return self.rip

    @property
    def sp(self) -> int:
        """Return the stack pointer."""
        return self.rsp

    @property
    def result(self) -> int:
        """Return the unsigned result of a call or system call."""
        return self.rax

    def start_call(self, function: int, arguments: tuple[int, ...], stack: int) -> None:
        """Point at `function`; the return address is the zeros below `stack`."""
        for name, value in zip(("rdi", "rsi", "rdx", "rcx"), arguments, strict=False):
            setattr(self, name, value & _MASK)
        self.rip, self.rsp, self.rax, self.orig_rax = function, stack - 8, 0, _MASK
        self.eflags &= ~0x400  # the ABI wants the direction flag clear

    def start_syscall(self, instruction: int, number: int, arguments: tuple[int, ...]) -> None:
        """Point at a system call instruction."""
        for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), arguments, strict=False):
            setattr(self, name, value & _MASK)
        self.rip, self.rax, self.orig_rax = instruction, number, _MASK

    def blocked_in(self, code: bytes) -> int | None:
        """Return the number of the system call that waits and would go on after the stop, or None."""
        result = _signed(self.rax)
        waits = result in _RESTARTS or result == -_EINTR
        return self.orig_rax if waits and _signed(self.orig_rax) >= 0 else None

    def restarts_by_block(self) -> bool:
        """Tell whether going on needs the kernel's one-slot memory of the wait, which another wait overwrites."""
        return _signed(self.rax) == _RESTART_BLOCK and _signed(self.orig_rax) >= 0

    def interrupt_syscall(self) -> None:
        """Let the system call that waits return EINTR, as it would after a signal."""
        self.rax, self.orig_rax = -_EINTR & _MASK, _MASK


class AArch64(Registers):
    """`struct user_pt_regs` of 64-bit ARM Linux. Written from the kernel's source, never tried on a machine.

    Before a stop the kernel has already stepped back to the system call instruction, and it forgets what it knew of
    the wait once other code ran. So a relative sleep of C code would begin again; waits with a point in time, which
    CPython uses, go on as they should.
    """

    _fields_: ClassVar = [
        ("x", ctypes.c_uint64 * 31),
        ("stack_pointer", ctypes.c_uint64),
        ("program_counter", ctypes.c_uint64),
        ("pstate", ctypes.c_uint64),
    ]
    elf_machine: ClassVar = 183
    other_sets: ClassVar = (2, 0x405)  # NT_PRFPREG, NT_ARM_SVE
    syscall_instruction: ClassVar = b"\x01\x00\x00\xd4"
    syscalls: ClassVar = {
        "epoll_pwait": 22, "read": 63, "readv": 65, "pselect6": 72, "ppoll": 73, "waitid": 95, "futex": 98,
        "nanosleep": 101, "clock_nanosleep": 115, "restart_syscall": 128, "rt_sigsuspend": 133,
        "rt_sigtimedwait": 137, "accept": 202, "connect": 203, "recvfrom": 207, "recvmsg": 212, "munmap": 215,
        "mmap": 222, "accept4": 242, "recvmmsg": 243, "wait4": 260, "epoll_pwait2": 441,
    }  # fmt: skip
    x: ctypes.Array[ctypes.c_uint64]
    stack_pointer: int
    program_counter: int
    pstate: int

    @property
    def pc(self) -> int:
        """Return the address of the next instruction."""
        return self.program_counter

    @property
    def sp(self) -> int:
        """Return the stack pointer."""
        return self.stack_pointer

    @property
    def result(self) -> int:
        """Return the unsigned result of a call or system call."""
        return int(self.x[0])

    def start_call(self, function: int, arguments: tuple[int, ...], stack: int) -> None:
        """Point at `function`, with the return address 0 in the link register."""
        self.x[: len(arguments)] = [value & _MASK for value in arguments]
        self.x[30] = 0
        self.program_counter, self.stack_pointer = function, stack
        self.pstate &= ~0xC00  # no branch is under way that would have to land on a marked instruction

    def start_syscall(self, instruction: int, number: int, arguments: tuple[int, ...]) -> None:
        """Point at a system call instruction."""
        self.x[: len(arguments)] = [value & _MASK for value in arguments]
        self.x[8], self.program_counter = number, instruction

    def blocked_in(self, code: bytes) -> int | None:
        """Return the number of the system call that waits and would go on after the stop, or None."""
        starts_again = code[4:8] == self.syscall_instruction
        failed = code[:4] == self.syscall_instruction and _signed(self.result) == -_EINTR
        return int(self.x[8]) if starts_again or failed else None

    def restarts_by_block(self) -> bool:
        """Tell whether going on needs the kernel's one-slot memory of the wait: here it is never used."""
        return False

    def interrupt_syscall(self) -> None:
        """Let the system call that waits return EINTR, as it would after a signal."""
        if _signed(self.result) != -_EINTR:
            self.program_counter += len(self.syscall_instruction)
        self.x[0] = -_EINTR & _MASK


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


#: The register files, by the machine number in an ELF header.
MACHINES: dict[int, type[Registers]] = {kind.elf_machine: kind for kind in (X86_64, AArch64)}
#: Those that were proven on a machine; the others serve only who asks for them by name.
PROVEN = frozenset({X86_64.elf_machine})
