"""What do the floor program and other runtimes take for the same container, and podman for the same pod?"""

import json
import os
import subprocess
import tarfile

import bundle

UNIFIED = "/sys/fs/cgroup/unified"


class Server:
    """A program that answers lines by lines."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, line):
        """Sends a line and gives the words of the answer."""
        self.process.stdin.write(line + "\n")
        answer = self.process.stdout.readline().split()
        if not answer:
            raise RuntimeError(f"no answer to {line!r}")
        return answer

    def close(self):
        """Lets it end."""
        self.process.stdin.close()
        self.process.wait(120)


class Floor:
    """The least program that does the same."""

    def __init__(self, program, directory, cgroup, filter_file):
        self.groups = make_groups(cgroup)
        shared = os.path.join(directory, "shared")
        bundle.make_shared(shared)
        self.server = Server([program, "serve", directory, cgroup.lstrip("/"), shared, filter_file])

    def cycle_ns(self, name):
        """Start, wait and remove of /bin/true."""
        return int(self.server.ask(f"cycle {name}")[0])

    def hold(self, name):
        """A container that stays."""
        self.server.ask(f"hold {name}")

    def exec_ns(self, name):
        """One /bin/true in the container that stays."""
        return int(self.server.ask(f"exec {name}")[0])

    def close(self):
        """Leaves nothing behind."""
        self.server.close()
        for group in reversed(self.groups):
            os.rmdir(group)


def make_groups(cgroup):
    """The Pod's group in each tree that the floor program uses."""
    trees = [tree for tree in ("cpu", "cpuacct", "memory", "devices", "pids", "unified")
             if os.path.isdir(f"/sys/fs/cgroup/{tree}")]
    made = []
    for root in [f"/sys/fs/cgroup/{tree}" for tree in trees] or ["/sys/fs/cgroup"]:
        path = root
        for part in cgroup.strip("/").split("/"):
            path = os.path.join(path, part)
            if not os.path.isdir(path):
                os.mkdir(path)
                made.append(path)
    return made


class Runtime:
    """crun or runc, in a mount namespace without the v2 tree of a hybrid machine, which crun refuses."""

    def __init__(self, name, floor_program, directory, cgroup, pod_pid):
        self.name, self.cgroup = name, cgroup
        self.home = os.path.join(directory, name)
        self.state = os.path.join(self.home, "state")
        self.shared = os.path.join(self.home, "shared")
        bundle.make_shared(self.shared)
        # As under a kubelet, a container joins what belongs to its Pod.
        self.namespaces = [{"type": kind, "path": f"/proc/{pod_pid}/ns/{file}"}
                           for kind, file in (("network", "net"), ("ipc", "ipc"), ("uts", "uts"))]
        self.root = os.path.join(self.home, "rootfs")
        for part in ("rootfs", "upper", "work"):
            os.makedirs(os.path.join(self.home, part))
        layers = f"lowerdir=/,upperdir={self.home}/upper,workdir={self.home}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, self.root], check=True)
        hide = f"umount {UNIFIED} && " if os.path.ismount(UNIFIED) else ""
        self.server = Server(["unshare", "--mount", "sh", "-c", f"{hide}exec {floor_program} spawn"])

    def _bundle(self, name, arguments):
        folder = os.path.join(self.home, name)
        content = bundle.config(f"{self.cgroup}/{name}", arguments, self.shared, self.namespaces)
        content["root"]["path"] = self.root
        bundle.write(folder, content)
        return folder

    def _run_ns(self, command):
        took, status = self.server.ask(f"{self.name} --root {self.state} {command}")
        if status != "0":
            raise RuntimeError(f"{self.name} {command} ended with {status}")
        return int(took)

    def cycle_ns(self, name):
        """`run`: create, start, wait and delete in one process, the fastest way these have."""
        folder = self._bundle(name, ["/bin/true"])
        return self._run_ns(f"run --bundle {folder} {self.name}-{name}")

    def hold(self, name):
        """A container that stays."""
        self.held = f"{self.name}-{name}"
        folder = self._bundle(name, ["/bin/sleep", "1000"])
        self._run_ns(f"run --detach --bundle {folder} {self.held}")

    def exec_ns(self, _name):
        """One /bin/true in the container that stays."""
        return self._run_ns(f"exec {self.held} /bin/true")

    def close(self):
        """Leaves nothing behind."""
        if hasattr(self, "held"):
            self._run_ns(f"delete --force {self.held}")
        self.server.close()
        subprocess.run(["umount", self.root], check=True)
        for tree, folders, _ in os.walk("/sys/fs/cgroup", topdown=False):
            if tree.endswith(self.cgroup):
                os.rmdir(tree)


class Podman:
    """podman with a store of its own in memory, without systemd and without a network."""

    IMAGE = "localhost/bench:latest"

    def __init__(self, floor_program, directory):
        self.home = os.path.join(directory, "podman")
        os.makedirs(self.home)
        limits = os.path.join(self.home, "containers.conf")
        with open(limits, "w") as file:
            # Without CAP_SYS_RESOURCE it may not raise what it raises otherwise.
            file.write('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
                       '[engine]\nevents_logger = "none"\n')
        self.log = os.path.join(self.home, "log")
        hide = f"umount {UNIFIED} && " if os.path.ismount(UNIFIED) else ""
        # All calls in one mount namespace, for what one of them mounts the next one takes away.
        self.server = Server(["unshare", "--mount", "env", f"CONTAINERS_CONF={limits}", "sh", "-c",
                              f"{hide}exec {floor_program} spawn 2>{self.log}"])
        self.prefix = (f"podman --root {self.home}/root --runroot {self.home}/run --cgroup-manager cgroupfs "
                       f"--runtime crun --storage-driver vfs")
        archive = os.path.join(self.home, "image.tar")
        with tarfile.open(archive, "w") as tar:
            tar.add(os.path.realpath("/bin/busybox"), "bin/busybox")
            for name in ("true", "sh"):
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        self.run(f"import {archive} {self.IMAGE}")

    def run(self, command):
        """Runs podman and wants success."""
        _, status = self.server.ask(f"{self.prefix} {command}")
        if status != "0":
            with open(self.log) as file:
                raise RuntimeError(f"podman {command.split()[0]}: {file.read().strip()[-400:]}")

    def play(self, manifest):
        """Plays a pod."""
        self.run(f"kube play --network none {manifest}")

    def remove(self, name):
        """Removes it."""
        self.run(f"pod rm --force --time 0 {name}")

    def close(self):
        """Its mounts go with its namespace, its files with the benchmark's."""
        self.server.close()


# What a Pod's main container does: it tells that it is there, and it goes on when it is told to.
TELLING = "echo > /told/fifo"
WAITING = "read line < /told/go"


def pod(name, image, inits, fifo_directory, script=TELLING):
    """A Pod whose containers do nothing, but that the main one runs a script; `inits` says which are restartable."""
    def container(number, restartable):
        one = {"name": f"i{number}", "image": image, "command": ["/bin/true"]}
        if restartable:
            one["restartPolicy"] = "Always"
            one["command"] = ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 100 & wait"]
        return one

    return json.dumps({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "initContainers": [container(number, restartable) for number, restartable in enumerate(inits)],
            "containers": [{"name": "main", "image": image, "command": ["/bin/sh", "-c", script],
                            "volumeMounts": [{"name": "told", "mountPath": "/told"}]}],
            "volumes": [{"name": "told", "hostPath": {"path": fifo_directory, "type": "Directory"}}],
        }})
