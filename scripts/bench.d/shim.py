"""How does the benchmark speak with a shim? As the node does; crates/shim/README.md is the specification."""

import json
import os
import re
import socket
import struct
import subprocess
import time

import bundle


MESSAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../crates/wire/src/message.rs")
# How long a shim may take for anything, on a machine that has much else to do.
PATIENCE_S = 120


def version():
    """The protocol's version, from where the node and the shim have it."""
    with open(MESSAGES) as file:
        found = re.search(r"^pub const VERSION: u32 = (\d+);$", file.read(), re.MULTILINE)
    if not found:
        raise RuntimeError(f"{os.path.normpath(MESSAGES)} does not say which version of the protocol it is")
    return int(found[1])


class Shim:
    """A shim with a Pod in it."""

    def __init__(self, program, directory, cgroup):
        self.directory, self.cgroup = directory, cgroup
        state = os.path.join(directory, "shim")
        os.makedirs(state, mode=0o700)
        self.shared = os.path.join(directory, "shared")
        bundle.make_shared(self.shared)
        path = os.path.join(state, "socket")
        begin = time.monotonic_ns()
        arguments = [*program, "--socket", path, "--ledger", os.path.join(state, "ledger")]
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.process.stdout.read(1)
        self.ready_us = (time.monotonic_ns() - begin) / 1000
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(path)
        self.last, self.received, self.messages = 0, b"", []
        self.ask({"Hello": {"version": version(), "resume_after": 0}})
        self.filters = os.path.join(directory, "filters")
        self.ask({"Prepare": {
            "filters": self.filters,
            "hostname": "bench", "namespaces": {"net": True, "ipc": True, "uts": True, "pid": False},
            "cgroup": {"path": cgroup, "resources": {}}, "tmpfs": [], "sysctls": [], "lease": "Connection"}})

    def _next(self, wanted):
        """The first message for which `wanted` gives something."""
        while True:
            for at, message in enumerate(self.messages):
                found = wanted(message)
                if found is not None:
                    del self.messages[at]
                    return found
            self.received += self.socket.recv(65536) or self._gone()
            while len(self.received) >= 4:
                size = struct.unpack("<I", self.received[:4])[0]
                if len(self.received) < 4 + size:
                    break
                self.messages.append(json.loads(self.received[4:4 + size]))
                self.received = self.received[4 + size:]

    def _gone(self):
        raise RuntimeError("the shim has hung up")

    def ask(self, request):
        """Calls, waits for the answer and wants a good one."""
        self.last += 1
        number = self.last
        text = json.dumps({"id": number, "request": request}).encode()
        self.socket.sendall(struct.pack("<I", len(text)) + text)
        result = self._next(lambda message: message["Reply"]["result"]
                            if message.get("Reply", {}).get("id") == number else None)
        if "Err" in result:
            raise RuntimeError(f"the shim refuses {next(iter(request))}: {result['Err']}")
        return result["Ok"]

    def prepare(self, name, arguments):
        """Writes a container's bundle, and gives the request that starts it."""
        folder = os.path.join(self.directory, "containers", name)
        os.makedirs(os.path.join(folder, "writable"))
        bundle.write(folder, bundle.config(f"{self.cgroup}/{name}", arguments, self.shared))
        return {"Start": {
            "container": name, "bundle": folder, "rootfs": {"lower": ["/"], "writable": os.path.join(folder, "writable")},
            "log": {"path": os.path.join(folder, "0.log"), "max_bytes": 10 << 20, "max_files": 3}}}

    def filter(self):
        """The file with the seccomp profile as the shim has compiled it."""
        self.cycle_ns("compiles")
        (name,) = os.listdir(self.filters)
        return os.path.join(self.filters, name)

    def cycle_ns(self, name):
        """Start, wait and remove of /bin/true."""
        request = self.prepare(name, ["/bin/true"])
        begin = time.monotonic_ns()
        self.ask(request)
        ended = self._next(lambda message: message.get("Event", {}).get("kind", {}).get("Exited"))
        self.ask({"Remove": {"container": name}})
        took = time.monotonic_ns() - begin
        if ended["code"] != 0:
            raise RuntimeError(f"/bin/true ended with {ended}")
        return took

    def exec_ns(self, _name):
        """One /bin/true in the container that stays."""
        request = {"Exec": {"container": self.held, "args": ["/bin/true"], "timeout_ms": PATIENCE_S * 1000, "output_limit": 100}}
        begin = time.monotonic_ns()
        done = self.ask(request)
        took = time.monotonic_ns() - begin
        if done["ExecDone"]["code"] != 0:
            raise RuntimeError(f"/bin/true ended with {done}")
        return took

    def hold(self, name):
        """A container that stays."""
        self.held = name
        self.ask(self.prepare(name, ["/bin/sleep", "1000"]))

    def close(self):
        """Ends it, and wants nothing to be left."""
        self.private_kib = private_kib(self.process.pid)
        left = self.ask("Release")["Released"]["leftovers"]
        self.socket.close()
        self.process.wait(PATIENCE_S)
        if left:
            raise RuntimeError(f"the shim leaves {left}")


def rest():
    """Waits until shims have given their buffers back, which they do after a second."""
    time.sleep(1.5)


def rollup(pid):
    """The sums of a process' memory in KiB."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return {line.split(":")[0]: int(line.split()[1]) for line in file if line.endswith("kB\n")}


def pss_kib(pid):
    """A process' proportional share of memory."""
    return rollup(pid)["Pss"]


def private_kib(pid):
    """What only this process has."""
    sums = rollup(pid)
    return sums["Private_Clean"] + sums["Private_Dirty"]
