"""Becomes a program whose n-th write below some folders fails, and those of all that it starts.

inject.py MODE N ERROR NOTES FOLDER... -- COMMAND: with `once` the n-th fails, with `full` each from the n-th on, until there
is a file `room` in the folder NOTES; with 0 none does. What was counted stands in NOTES/trace, and NOTES/hit is there as soon
as one has failed.
"""
import ctypes
import errno
import fcntl
import os
import select
import socket
import stat
import struct
import sys

CALLS = {1: "write", 18: "pwrite64", 20: "writev", 296: "pwritev", 328: "pwritev2", 74: "fsync", 75: "fdatasync",
         285: "fallocate", 82: "rename", 264: "renameat", 316: "renameat2"}
GET_DESCRIPTOR = 438
SECCOMP, SET_MODE_FILTER, NEW_LISTENER, WAIT_KILLABLE = 317, 1, 1 << 3, 1 << 5
ALLOW, USER_NOTIF, X86_64 = 0x7FFF0000, 0x7FC00000, 0xC000003E
RECEIVE, SEND, CONTINUE = 0xC0502100, 0xC0182101, 1
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06


def install():
    """Installs the filter in this process; gives the descriptor that tells of its calls."""
    lines = [(LOAD, 0, 0, 4), (IF_EQUAL, 0, len(CALLS) + 1, X86_64), (LOAD, 0, 0, 0)]
    for at, call in enumerate(CALLS):
        lines.append((IF_EQUAL, len(CALLS) - at, 0, call))
    lines += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, USER_NOTIF)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    listener = libc.syscall(SECCOMP, SET_MODE_FILTER, NEW_LISTENER | WAIT_KILLABLE, program)
    if listener < 0:
        sys.exit(f"inject.py: no filter: {os.strerror(ctypes.get_errno())}")
    return listener


def text_at(pid, address):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        found = b""
        while b"\0" not in found and len(found) < 4096:
            found += memory.read(4096 - address % 4096)
            address = address - address % 4096 + 4096
        return os.fsdecode(found.split(b"\0")[0])


def signed(value):
    return ctypes.c_int32(value & 0xFFFFFFFF).value


def object_of(pid, name, args):
    """The path of what the call is about; None for what is no file."""
    if not name.startswith("rename"):
        path = f"/proc/{pid}/fd/{signed(args[0])}"
        mode = os.stat(path).st_mode
        return os.readlink(path) if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else None
    folder, address = (-100, args[1]) if name == "rename" else (signed(args[2]), args[3])
    base = os.readlink(f"/proc/{pid}/cwd" if folder == -100 else f"/proc/{pid}/fd/{folder}")
    return os.path.join(base, text_at(pid, address))


def write_half(pid, name, args):
    """Writes the first half of what was asked for, as a disk does whose last block was taken; gives its length."""
    half = args[2] // 2
    if name not in ("write", "pwrite64") or half == 0:
        return 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(args[1])
        data = memory.read(half)
    with open(f"/proc/{pid}/status") as status:
        group = next(int(line.split()[1]) for line in status if line.startswith("Tgid:"))
    process = os.pidfd_open(group)
    libc = ctypes.CDLL(None, use_errno=True)
    file = libc.syscall(GET_DESCRIPTOR, process, signed(args[0]), 0)
    os.close(process)
    if file < 0:
        return 0
    try:
        return os.write(file, data) if name == "write" else os.pwrite(file, data, args[3])
    finally:
        os.close(file)


class Disk:
    def __init__(self, mode, number, error, folder, below):
        self.mode, self.number, self.error, self.folder = mode, int(number), getattr(errno, error), folder
        self.below, self.count = tuple(path.rstrip("/") + "/" for path in below), 0
        self.trace = open(os.path.join(folder, "trace"), "a", buffering=1)

    def answer(self, pid, call, args):
        """What the call gives; None if it is carried out."""
        name = CALLS[call]
        try:
            path = object_of(pid, name, args)
        except OSError:
            return None
        if path is None or not (path + "/").startswith(self.below):
            return None
        self.count += 1
        now = self.number and (self.count == self.number or self.mode == "full" and self.count > self.number)
        now = now and not os.path.exists(os.path.join(self.folder, "room"))
        self.trace.write(f"{self.count} {name} {path}{' FAILS' if now else ''}\n")
        if not now:
            return None
        open(os.path.join(self.folder, "hit"), "a").close()
        # The last room is used up before there is none.
        half = write_half(pid, name, args) if self.mode == "full" and self.count == self.number else 0
        return half or -self.error


def supervise(listener, disk):
    """Answers until there is nobody left who asks."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        events = poll.poll()
        if not any(event & select.POLLIN for _, event in events):
            return
        asked = bytearray(80)
        try:
            fcntl.ioctl(listener, RECEIVE, asked)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                continue
            raise
        number, pid, _, call, _, _, *args = struct.unpack("=QIIiIQ6Q", asked)
        given = disk.answer(pid, call, args)
        if given is None:
            answer = struct.pack("=QqiI", number, 0, 0, CONTINUE)
        else:
            answer = struct.pack("=QqiI", number, max(given, 0), min(given, 0), 0)
        try:
            fcntl.ioctl(listener, SEND, answer)
        except OSError as error:
            # Whoever asked may have been killed meanwhile.
            if error.errno != errno.ENOENT:
                raise


def main():
    own = sys.argv[1:sys.argv.index("--")]
    command = sys.argv[sys.argv.index("--") + 1:]
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        if os.fork() != 0:
            os._exit(0)
        # Nobody's child, so that the program has none that it does not know.
        ours.close()
        os.setsid()
        _, listeners, _, _ = socket.recv_fds(theirs, 1, 1)
        theirs.close()
        supervise(listeners[0], Disk(*own[:4], own[4:]))
        os._exit(0)
    os.wait()
    theirs.close()
    listener = install()
    socket.send_fds(ours, [b"x"], [listener])
    os.close(listener)
    os.execv(command[0], command)


main()
