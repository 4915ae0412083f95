"""How long from a command to the first write of a Pod's main container, and from one container's exit to the next start?"""

import glob
import json
import os
import subprocess
import threading
import time

import peers

# How long anything may take on a machine that has much else to do.
PATIENCE_S = 120
PLAIN = (False, False)
SIDECARS = (False, True, False, True)


class Told:
    """A directory for a hostPath volume, with a pipe that tells when a container writes, and one that lets one go on."""

    def __init__(self, directory):
        self.directory = os.path.join(directory, "told")
        os.makedirs(self.directory)
        fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(fifo)
        self.fd = os.open(fifo, os.O_RDWR)
        go = os.path.join(self.directory, "go")
        os.mkfifo(go)
        self.go = os.open(go, os.O_RDWR)

    def let_go(self):
        """Lets the container that waits go on."""
        os.write(self.go, b"\n")

    def measure_ns(self, action):
        """From here to the write, which `action` causes."""
        at = []

        def wait():
            os.read(self.fd, 100)
            at.append(time.monotonic_ns())

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        begin = time.monotonic_ns()
        action()
        thread.join(PATIENCE_S)
        if not at:
            raise RuntimeError("the main container has not written")
        return at[0] - begin


class Outrigger:
    """The command, with directories and a cgroup of its own."""

    def __init__(self, program, directory, cgroup):
        self.program = program
        self.home = os.path.join(directory, "outrigger")
        os.makedirs(self.home)
        self.environment = dict(os.environ, OUTRIGGER_CGROUP=cgroup)
        for name in ("root", "state", "logs"):
            self.environment[f"OUTRIGGER_{name.upper()}"] = os.path.join(self.home, name)

    def begin(self, manifest):
        """Starts `outrigger run`."""
        return subprocess.Popen([self.program, "run", "--quiet", manifest], env=self.environment,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def play(self, manifest):
        """Runs a pod to its end."""
        process = self.begin(manifest)
        if process.wait(PATIENCE_S) != 0:
            raise RuntimeError(f"outrigger run ended with {process.returncode}")

    def gaps_ns(self, manifest, told):
        """From each exit of an init container to the next container's start, by the shim's ledger.

        The main container waits until the ledger is open, so that none is missed."""
        process = self.begin(manifest)
        ledger = None
        while ledger is None and process.poll() is None:
            found = glob.glob(os.path.join(self.home, "state", "**", "ledger"), recursive=True)
            ledger = open(found[0]) if found else None  # it stays readable when its name is gone
            time.sleep(0.0005)
        if ledger is None:
            raise RuntimeError(f"outrigger run ended with {process.returncode} before there was a ledger")
        told.let_go()
        if process.wait(PATIENCE_S) != 0:
            raise RuntimeError(f"outrigger run ended with {process.returncode}")
        events = [json.loads(line) for line in ledger]
        ledger.close()
        gaps, exited = [], None
        for event in events:
            if "Exited" in event["kind"]:
                exited = event["at"]["boot_ns"]
            elif "Started" in event["kind"] and exited is not None:
                gaps.append(event["at"]["boot_ns"] - exited)
                exited = None
        if not gaps:
            raise RuntimeError("no container started after another one's exit")
        return gaps


def write_manifest(directory, name, image, inits, told, script=peers.TELLING):
    """A manifest's path."""
    path = os.path.join(directory, f"{name}.json")
    with open(path, "w") as file:
        file.write(peers.pod(name, image, inits, told.directory, script))
    return path
