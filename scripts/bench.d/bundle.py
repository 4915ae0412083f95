"""What container do all runtimes of the benchmark get? The one that a Pod's plain container gets from Outrigger."""

import json
import os
import platform

CAPABILITIES = [
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
]
MASKED = [
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
    "/sys/firmware", "/sys/fs/selinux",
]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
# What the Pod gives to each of its containers as a file or directory of the host.
SHARED = {"/dev/shm": "shm", "/etc/hosts": "hosts", "/etc/resolv.conf": "resolv.conf", "/etc/hostname": "hostname",
          "/dev/termination-log": "termination"}


def seccomp():
    """RuntimeDefault but for the calls that depend on their arguments: as long as that, and the same for all."""
    calls = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../crates/bundle/src/seccomp/calls.txt")
    names, chosen = set(), False
    with open(calls) as file:
        for line in file:
            if line.startswith("["):
                chosen = line.strip("[]\n") in ["always", platform.machine(), *CAPABILITIES]
            elif chosen and not line.startswith("#"):
                names.update(line.split())
    allow = {"action": "SCMP_ACT_ALLOW"}
    families = {"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 0xffffffe0, "valueTwo": 0}
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": sorted(names), **allow}, {"names": ["clone"], **allow}, {"names": ["socket"], "args": [families], **allow},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}


def make_shared(directory):
    """Makes what is bound into every container."""
    os.makedirs(directory, exist_ok=True)
    for name in SHARED.values():
        path = os.path.join(directory, name)
        if name == "shm":
            os.makedirs(path, mode=0o1777, exist_ok=True)
        else:
            open(path, "a").close()


def config(cgroup, arguments, shared, namespaces=()):
    """The container's config.json; `namespaces` are joined beside the three that it gets for itself."""
    def mount(target, kind, *options):
        return {"destination": target, "type": kind, "source": kind, "options": ["nosuid", "noexec", *options]}

    mounts = [
        mount("/proc", "proc", "nodev"),
        mount("/dev", "tmpfs", "strictatime", "mode=755", "size=1024k"),
        mount("/dev/pts", "devpts", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        mount("/dev/mqueue", "mqueue", "nodev"),
        mount("/sys", "sysfs", "nodev", "ro"),
        mount("/sys/fs/cgroup", "cgroup", "nodev", "relatime", "ro"),
    ]
    for target, name in SHARED.items():
        mounts.append({"destination": target, "type": "bind", "source": os.path.join(shared, name),
                       "options": ["rbind", "rprivate", "rw"]})
    own = [{"type": "mount"}, {"type": "cgroup"}, {"type": "pid"}]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "args": arguments, "cwd": "/", "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "terminal": False,
            "user": {"uid": 0, "gid": 0}, "noNewPrivileges": False, "oomScoreAdj": 1000,
            "capabilities": {"bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES},
        },
        "root": {"path": "rootfs"},
        "mounts": mounts,
        "linux": {
            "cgroupsPath": cgroup, "namespaces": own + list(namespaces), "maskedPaths": MASKED,
            "readonlyPaths": READONLY, "seccomp": seccomp(),
            "resources": {"cpu": {"shares": 2}, "devices": [{"access": "rwm", "allow": False}]},
        },
    }


def write(directory, content):
    """Makes a bundle."""
    os.makedirs(os.path.join(directory, "rootfs"), exist_ok=True)
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(content, file)
