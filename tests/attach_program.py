"""A program to attach to: it says READY, waits or works in one way, and reports how that went. Python 3.8+.

The first kind of state lasts LASTS_S (the second argument) by its own clock, the other until a line comes in or standard input is closed.
"""

import ctypes
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

LASTS_S = float(sys.argv[2]) if len(sys.argv) > 2 else 2.5
libc = ctypes.CDLL(None, use_errno=True)
released = threading.Event()
progress = [0]
began = [0.0]


def ready():
    began[0] = time.monotonic()
    print("READY", flush=True)


def when_released(act):
    def wait():
        sys.stdin.readline()
        act()

    threading.Thread(target=wait, daemon=True).start()


# --- states that last LASTS_S ---


def sleep():
    ready()
    time.sleep(LASTS_S)


def select_():
    ready()
    assert select.select([os.pipe()[0]], [], [], LASTS_S) == ([], [], [])


def poll():
    waiting = select.poll()
    waiting.register(os.pipe()[0], select.POLLIN)
    ready()
    assert waiting.poll(LASTS_S * 1000) == []


def epoll():
    ready()
    assert select.epoll().poll(LASTS_S) == []


def recv():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(LASTS_S)
        ready()
        try:
            ours.recv(1)
        except socket.timeout:  # noqa: UP041 - before 3.10 it is another class
            return
    raise AssertionError("nobody sent anything")


def lock_with_timeout():
    taken = threading.Lock()
    taken.acquire()
    ready()
    assert not taken.acquire(timeout=LASTS_S)


def sigtimedwait():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    ready()
    caught = signal.sigtimedwait([signal.SIGUSR1], LASTS_S)
    # Stopped while its time runs out, by whomever, CPython tells of a signal that never came.
    assert caught is None or time.monotonic() - began[0] >= LASTS_S


def asyncio_sleep():
    import asyncio

    ready()
    asyncio.run(asyncio.sleep(LASTS_S))


def c_sleep():
    # C code does not know how to go on with an interrupted wait: only the kernel's own memory of it helps.
    ready()
    assert libc.usleep(int(LASTS_S * 1e6)) == 0, os.strerror(ctypes.get_errno())


def c_poll():
    ready()
    assert libc.poll(None, 0, int(LASTS_S * 1e3)) == 0, os.strerror(ctypes.get_errno())


def handler_raises():
    # The controller sends SIGUSR1 once we sleep. The other thread catches it, so its handler is due in the main thread.
    class FromHandlerError(Exception):
        pass

    def handle(*_):
        raise FromHandlerError

    signal.signal(signal.SIGUSR1, handle)
    catcher = threading.Thread(target=time.sleep, args=(LASTS_S,))
    catcher.start()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    ready()
    try:
        time.sleep(LASTS_S)
        catcher.join()
    except FromHandlerError:
        assert time.monotonic() - began[0] >= LASTS_S - 0.01
        catcher.join()
        return
    raise AssertionError("the handler's exception was lost")


# --- states that last until they are released ---


def recv_until():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        when_released(lambda: theirs.send(b"x"))
        ready()
        assert ours.recv(1) == b"x"


def read_until():
    ready()
    os.read(0, 1)


def accept_until():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        when_released(lambda: client.connect(server.getsockname()))
        ready()
        server.accept()[0].close()


def child_until():
    ready()
    assert subprocess.run(["cat"], check=False, stdout=subprocess.DEVNULL).returncode == 0


def join_until():
    when_released(released.set)
    workers = [threading.Thread(target=released.wait) for _ in range(5)]
    for worker in workers:
        worker.start()
    ready()
    for worker in workers:
        worker.join()


def event_until():
    when_released(released.set)
    ready()
    assert released.wait()


def queue_until():
    import queue

    items = queue.Queue()
    when_released(lambda: items.put("item"))
    ready()
    assert items.get() == "item"


def asyncio_until():
    import asyncio

    async def run():
        when_released(released.set)
        ready()
        while not released.is_set() or progress[0] < 5:
            await asyncio.sleep(0.02)
            progress[0] += 1

    asyncio.run(run())


def busy_until():
    when_released(released.set)
    ready()
    while not released.is_set():
        progress[0] += 1


def allocating_until():
    import zlib

    def churn():
        keep = []
        while not released.is_set():
            block = os.urandom(300)
            keep.append((zlib.crc32(block), block, {str(i): [i] for i in range(20)}))
            if len(keep) > 200:
                assert all(zlib.crc32(data) == check for check, data, _ in keep)
                keep.clear()
            progress[0] += 1

    when_released(released.set)
    workers = [threading.Thread(target=churn) for _ in range(3)]
    for worker in workers:
        worker.start()
    ready()
    churn()
    for worker in workers:
        worker.join()


def allocating_join_until():
    # As above, but the main thread waits for the others.
    worker = threading.Thread(target=allocating_until)
    worker.start()
    worker.join()


def timer_storm_until():
    def tick(*_):
        progress[0] += 1

    when_released(released.set)
    signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    ready()
    while not released.is_set():
        time.sleep(0.01)
    signal.setitimer(signal.ITIMER_REAL, 0)


# --- states in which no code may be placed ---


def syscall_with_interpreter_lock_until():
    poll_ = ctypes.PyDLL(None).poll
    waiting = ctypes.create_string_buffer(struct.pack("ihh", 0, select.POLLIN, 0))
    ready()
    assert poll_(waiting, 1, -1) == 1


def c_code_with_interpreter_lock():
    ready()
    sum(range(10**8))


def foreign_lock_until():
    import multiprocessing

    taken = multiprocessing.get_context("fork").Lock()
    taken.acquire()
    when_released(taken.release)
    ready()
    assert taken.acquire()


def main():
    state = sys.argv[1]
    names = set(globals())
    globals()[state]()
    lasted = time.monotonic() - began[0]
    new_names = sorted(set(globals()) - names)
    print(json.dumps({"lasted_s": lasted, "progress": progress[0], "new_names": new_names}))


main()
