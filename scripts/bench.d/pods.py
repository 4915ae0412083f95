"""How long from a command to the first write of a Pod's main container, and from one container's exit to the next start?"""

import glob
import json
import os
import subprocess
import threading
import time

import peers

PLAIN = (False, False)
SIDECARS = (False, True, False, True)


class Told:
    """A directory for a hostPath volume, with a pipe in it that tells when a container writes."""

    def __init__(self, directory):
        self.directory = os.path.join(directory, "told")
        os.makedirs(self.directory)
        fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(fifo)
        self.fd = os.open(fifo, os.O_RDWR)

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
        thread.join(30)
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
        if process.wait(60) != 0:
            raise RuntimeError(f"outrigger run ended with {process.returncode}")

    def gaps_ns(self, manifest):
        """From each exit of an init container to the next container's start, by the shim's ledger."""
        process = self.begin(manifest)
        ledger = None
        while ledger is None and process.poll() is None:
            found = glob.glob(os.path.join(self.home, "state", "**", "ledger"), recursive=True)
            ledger = open(found[0]) if found else None  # it stays readable when its name is gone
            time.sleep(0.0005)
        process.wait(60)
        if ledger is None:
            raise RuntimeError("no ledger was seen")
        events = [json.loads(line) for line in ledger]
        ledger.close()
        gaps, exited = [], None
        for event in events:
            if "Exited" in event["kind"]:
                exited = event["at"]["boot_ns"]
            elif "Started" in event["kind"] and exited is not None:
                gaps.append(event["at"]["boot_ns"] - exited)
                exited = None
        return gaps


def write_manifest(directory, name, image, inits, told):
    """A manifest's path."""
    path = os.path.join(directory, f"{name}.json")
    with open(path, "w") as file:
        file.write(peers.pod(name, image, inits, told.directory))
    return path
