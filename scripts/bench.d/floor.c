// How fast can a container be at all on this machine? The least program that asks the kernel for what Outrigger's shim
// asks it for, with nothing that a real one needs beside: no configuration, no checks, no messages, no log, no ledger.
//
//   floor serve DIRECTORY CGROUP SHARED FILTER   answers each line of its standard input by a line with nanoseconds:
//       cycle NAME    a container of /bin/true: made, started, waited for, its cgroups removed
//       hold NAME     a container of `sleep` that stays, for `exec`
//       exec NAME     /bin/true in the container that stays
//   floor spawn                           each line is a command (words parted by blanks): spawned, waited for
//
// Anything that fails ends it with a message. It works in namespaces of its own, as a shim does. Each cgroup tree that a
// shim uses is below /sys/fs/cgroup; those that are not mounted are left out.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define CHECK(call) check((long)(call), #call)
enum { PLAIN = MS_NOSUID | MS_NOEXEC | MS_NODEV };

extern char **environ;

static const char *const limited[] = {"cpu", "cpuacct", "memory", "devices", "pids"};
static const char *const device_rules[] = {"c 1:3 rw", "c 1:5 rw", "c 1:7 rw", "c 1:8 rw", "c 1:9 rw",
                                           "c 5:0 rw", "c 5:1 rw", "c 5:2 rw", "c 136:* rw"};
static const char *const masked[] = {"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                                     "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
                                     "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/selinux"};
static const char *const readonly_paths[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
static const char *const shared_from[] = {"shm", "hosts", "resolv.conf", "hostname", "termination"};
static const char *const shared_to[] = {"dev/shm", "etc/hosts", "etc/resolv.conf", "etc/hostname", "dev/termination-log"};
// Those that a container keeps: see bundle.py.
static const uint64_t kept = 1u << CAP_AUDIT_WRITE | 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER |
                             1u << CAP_FSETID | 1u << CAP_KILL | 1u << CAP_MKNOD | 1u << CAP_NET_BIND_SERVICE |
                             1u << CAP_NET_RAW | 1u << CAP_SETFCAP | 1u << CAP_SETGID | 1u << CAP_SETPCAP |
                             1u << CAP_SETUID | 1u << CAP_SYS_CHROOT;

static int trees[LENGTH(limited)]; // the roots of the v1 trees, -1 where there is none
static int unified = -1;           // the root of the v2 tree
static const char *directory, *cgroup, *shared;
static struct sock_fprog filter; // a seccomp profile as a shim has compiled it
static int held_pidfd = -1;
static char held_name[64];

static long check(long result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
        _exit(125);
    }
    return result;
}

static char *text(const char *format, ...) { // good until the fourth call after
    static char buffers[4][512];
    static unsigned turn;
    char *buffer = buffers[turn++ % 4];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(buffer, sizeof buffers[0], format, arguments);
    va_end(arguments);
    return buffer;
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void write_file(int tree, const char *path, const char *value) {
    int file = (int)CHECK(openat(tree, path, O_WRONLY | O_CLOEXEC));
    CHECK(write(file, value, strlen(value)));
    close(file);
}

static void read_filter(const char *path) {
    static struct sock_filter program[4096 + 4]; // a hash follows the program
    int file = (int)CHECK(open(path, O_RDONLY | O_CLOEXEC));
    long size = CHECK(read(file, program, sizeof program));
    close(file);
    filter = (struct sock_fprog){(unsigned short)((size - 32) / (long)sizeof *program), program};
}

static void find_trees(void) {
    const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    for (unsigned i = 0; i < LENGTH(limited); i++)
        trees[i] = open(text("/sys/fs/cgroup/%s", limited[i]), flags);
    unified = open("/sys/fs/cgroup/unified", flags);
    if (unified < 0) unified = (int)CHECK(open("/sys/fs/cgroup", flags));
}

// The container's group in each tree, its limits, and the files by which the child enters; gives the v2 directory.
static int make_cgroups(const char *name, int procs[]) {
    const char *path = text("%s/%s", cgroup, name);
    CHECK(mkdirat(unified, path, 0755));
    for (unsigned i = 0; i < LENGTH(limited); i++) {
        procs[i] = -1;
        if (trees[i] < 0) continue;
        CHECK(mkdirat(trees[i], path, 0755));
        int group = (int)CHECK(openat(trees[i], path, O_PATH | O_DIRECTORY | O_CLOEXEC));
        procs[i] = (int)CHECK(openat(group, "tasks", O_WRONLY | O_CLOEXEC));
        if (!strcmp(limited[i], "cpu")) write_file(group, "cpu.shares", "2");
        if (!strcmp(limited[i], "devices")) {
            write_file(group, "devices.deny", "a");
            for (unsigned rule = 0; rule < LENGTH(device_rules); rule++)
                write_file(group, "devices.allow", device_rules[rule]);
        }
        close(group);
    }
    return (int)CHECK(openat(unified, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static void remove_cgroups(const char *name) {
    const char *path = text("%s/%s", cgroup, name);
    for (unsigned i = 0; i < LENGTH(limited); i++)
        if (trees[i] >= 0) CHECK(unlinkat(trees[i], path, AT_REMOVEDIR));
    CHECK(unlinkat(unified, path, AT_REMOVEDIR));
}

static int make_overlay(const char *home) {
    CHECK(mkdir(text("%s/upper", home), 0755));
    CHECK(mkdir(text("%s/work", home), 0700));
    int context = (int)CHECK(fsopen("overlay", FSOPEN_CLOEXEC));
    if (fsconfig(context, FSCONFIG_SET_STRING, "lowerdir+", "/", 0))
        CHECK(fsconfig(context, FSCONFIG_SET_STRING, "lowerdir", "/", 0));
    CHECK(fsconfig(context, FSCONFIG_SET_STRING, "upperdir", text("%s/upper", home), 0));
    CHECK(fsconfig(context, FSCONFIG_SET_STRING, "workdir", text("%s/work", home), 0));
    CHECK(fsconfig(context, FSCONFIG_SET_FLAG, "volatile", NULL, 0));
    CHECK(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
    int overlay = (int)CHECK(fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV));
    close(context);
    return overlay;
}

static void make_devices(void) {
    static const struct { const char *name; int major, minor; } devices[] = {
        {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
    static const char *const links[][2] = {{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"},
        {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"}, {"/proc/kcore", "core"}, {"pts/ptmx", "ptmx"}};
    for (unsigned i = 0; i < LENGTH(devices); i++)
        CHECK(mknod(text("dev/%s", devices[i].name), S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)));
    for (unsigned i = 0; i < LENGTH(links); i++) CHECK(symlink(links[i][0], text("dev/%s", links[i][1])));
}

static void mount_cgroups(void) {
    if (trees[0] < 0) {
        CHECK(mount("cgroup", "sys/fs/cgroup", "cgroup2", PLAIN | MS_RDONLY, NULL));
        return;
    }
    CHECK(mount("cgroup", "sys/fs/cgroup", "tmpfs", PLAIN, "mode=755"));
    for (unsigned i = 0; i < LENGTH(limited); i++) {
        const char *target = text("sys/fs/cgroup/%s", limited[i]);
        CHECK(mkdir(target, 0755));
        CHECK(mount("cgroup", target, "cgroup", PLAIN | MS_RDONLY, limited[i]));
    }
    CHECK(mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | PLAIN, NULL));
}

static void bind_shared(void) {
    for (unsigned i = 0; i < LENGTH(shared_to); i++) {
        const char *target = shared_to[i];
        if (!strcmp(target, "dev/shm")) CHECK(mkdir(target, 0755));
        if (!strcmp(target, "dev/termination-log")) CHECK(mknod(target, S_IFREG | 0644, 0));
        CHECK(mount(text("%s/%s", shared, shared_from[i]), target, NULL, MS_BIND | MS_REC, NULL));
        CHECK(mount(NULL, target, NULL, MS_PRIVATE | MS_REC, NULL));
    }
}

static void protect(void) {
    for (unsigned i = 0; i < LENGTH(readonly_paths); i++) {
        const char *path = readonly_paths[i] + 1;
        if (mount(path, path, NULL, MS_BIND | MS_REC, NULL)) continue; // it does not exist
        CHECK(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | PLAIN, NULL));
    }
    for (unsigned i = 0; i < LENGTH(masked); i++)
        if (mount("/dev/null", masked[i] + 1, NULL, MS_BIND, NULL) && errno == ENOTDIR)
            CHECK(mount("tmpfs", masked[i] + 1, "tmpfs", MS_RDONLY | PLAIN, NULL));
}

static void join_cgroups(const int procs[]) {
    for (unsigned i = 0; i < LENGTH(limited); i++)
        if (procs[i] >= 0) CHECK(write(procs[i], "0", 1));
}

static void become(int null, int output, int errors, const char *const arguments[]) {
    CHECK(dup2(null, 0));
    CHECK(dup2(output, 1));
    CHECK(dup2(errors, 2));
    CHECK(setsid());
    syscall(SYS_keyctl, 1, NULL, 0, 0, 0); // a session keyring of its own
    CHECK(chdir("/"));
    umask(022);
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
        if (!(kept >> capability & 1)) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    CHECK(syscall(SYS_setgroups, 0, NULL));
    CHECK(syscall(SYS_setresgid, 0, 0, 0));
    CHECK(syscall(SYS_setresuid, 0, 0, 0));
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter));
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{(uint32_t)kept, (uint32_t)kept, 0}, {(uint32_t)(kept >> 32), (uint32_t)(kept >> 32), 0}};
    CHECK(syscall(SYS_capset, &head, data));
    CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL));
    CHECK(syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC));
    execve(arguments[0], (char *const *)arguments, (char *const[]){"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL});
    CHECK(-1);
}

static void enter_root(const char *root, int overlay, const int procs[]) {
    umask(0);
    write_file(AT_FDCWD, "/proc/self/oom_score_adj", "1000");
    CHECK(mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL));
    CHECK(move_mount(overlay, "", AT_FDCWD, root, MOVE_MOUNT_F_EMPTY_PATH));
    CHECK(chdir(root));
    CHECK(mount("proc", "proc", "proc", PLAIN, NULL));
    CHECK(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_STRICTATIME, "mode=755,size=1024k"));
    make_devices();
    CHECK(mkdir("dev/pts", 0755));
    CHECK(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
    CHECK(mkdir("dev/mqueue", 0755));
    CHECK(mount("mqueue", "dev/mqueue", "mqueue", PLAIN, NULL));
    CHECK(mount("sysfs", "sys", "sysfs", PLAIN | MS_RDONLY, NULL));
    join_cgroups(procs); // not before: its devices group forbids making device files
    CHECK(unshare(CLONE_NEWCGROUP));
    mount_cgroups();
    bind_shared();
    protect();
    CHECK(syscall(SYS_pivot_root, ".", "."));
    CHECK(umount2(".", MNT_DETACH));
}

static pid_t clone_into(uint64_t flags, int group, int *pidfd) {
    struct clone_args arguments = {.flags = flags | CLONE_PIDFD | CLONE_INTO_CGROUP, .pidfd = (uint64_t)(uintptr_t)pidfd,
                                   .exit_signal = SIGCHLD, .cgroup = (uint64_t)group};
    return (pid_t)CHECK(syscall(SYS_clone3, &arguments, sizeof arguments));
}

// Waits until the child has become its program: the pipe's last other end is closed by that.
static void until_executed(int pipe_end) {
    char byte;
    CHECK(read(pipe_end, &byte, 1));
    close(pipe_end);
}

static void until_exit(int pidfd) {
    siginfo_t info;
    CHECK(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED));
    if (info.si_code != CLD_EXITED || info.si_status != 0) {
        fprintf(stderr, "floor: the program ended with %d\n", info.si_status);
        _exit(125);
    }
}

static int start(const char *name, const char *const arguments[]) {
    char home[512];
    snprintf(home, sizeof home, "%s/floor-%s", directory, name);
    int procs[LENGTH(limited)], told[2], output[2], errors[2], pidfd;
    int group = make_cgroups(name, procs), overlay = make_overlay(home), null = (int)CHECK(open("/dev/null", O_RDONLY | O_CLOEXEC));
    CHECK(pipe2(told, O_CLOEXEC) | pipe2(output, O_CLOEXEC) | pipe2(errors, O_CLOEXEC));
    if (clone_into(CLONE_NEWNS | CLONE_NEWPID, group, &pidfd) == 0) {
        enter_root(text("%s/rootfs", home), overlay, procs);
        become(null, output[1], errors[1], arguments);
    }
    for (unsigned i = 0; i < LENGTH(limited); i++)
        if (procs[i] >= 0) close(procs[i]);
    close(told[1]), close(output[1]), close(errors[1]), close(overlay), close(null), close(group);
    until_executed(told[0]);
    close(output[0]), close(errors[0]); // /bin/true and sleep say nothing
    return pidfd;
}

static void cycle(const char *name) {
    static const char *const arguments[] = {"/bin/true", NULL};
    int pidfd = start(name, arguments);
    until_exit(pidfd);
    close(pidfd);
    remove_cgroups(name);
}

static void hold(const char *name) {
    static const char *const arguments[] = {"/bin/sleep", "1000", NULL};
    held_pidfd = start(name, arguments);
    snprintf(held_name, sizeof held_name, "%s", name);
}

static void exec_in_held(const char *name) {
    static const char *const arguments[] = {"/bin/true", NULL};
    const char *path = text("%s/%s/%s", cgroup, held_name, name);
    int procs[LENGTH(limited)], told[2], output[2], pidfd;
    CHECK(mkdirat(unified, path, 0755));
    int group = (int)CHECK(openat(unified, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
    for (unsigned i = 0; i < LENGTH(limited); i++)
        procs[i] = trees[i] < 0 ? -1 : (int)CHECK(openat(trees[i], text("%s/%s/tasks", cgroup, held_name), O_WRONLY | O_CLOEXEC));
    int null = (int)CHECK(open("/dev/null", O_RDONLY | O_CLOEXEC)), own = (int)CHECK(open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
    CHECK(pipe2(told, O_CLOEXEC) | pipe2(output, O_CLOEXEC));
    CHECK(setns(held_pidfd, CLONE_NEWPID));
    if (clone_into(0, group, &pidfd) == 0) {
        CHECK(prctl(PR_SET_DUMPABLE, 0));
        join_cgroups(procs);
        CHECK(setns(held_pidfd, CLONE_NEWNS | CLONE_NEWCGROUP));
        become(null, output[1], output[1], arguments);
    }
    CHECK(setns(own, CLONE_NEWPID));
    for (unsigned i = 0; i < LENGTH(limited); i++)
        if (procs[i] >= 0) close(procs[i]);
    close(told[1]), close(output[1]), close(null), close(own), close(group);
    until_executed(told[0]);
    until_exit(pidfd);
    close(output[0]), close(pidfd);
    CHECK(unlinkat(unified, text("%s/%s/%s", cgroup, held_name, name), AT_REMOVEDIR));
}

static void serve(void) {
    char command[16], name[64];
    CHECK(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS));
    CHECK(mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL));
    find_trees();
    while (scanf("%15s %63s", command, name) == 2) {
        if (strcmp(command, "exec")) {
            CHECK(mkdir(text("%s/floor-%s", directory, name), 0755));
            CHECK(mkdir(text("%s/floor-%s/rootfs", directory, name), 0755));
        }
        uint64_t begin = now_ns();
        if (!strcmp(command, "cycle")) cycle(name);
        else if (!strcmp(command, "hold")) hold(name);
        else exec_in_held(name);
        printf("%llu\n", (unsigned long long)(now_ns() - begin));
        fflush(stdout);
    }
    if (held_pidfd < 0) return;
    siginfo_t info;
    CHECK(syscall(SYS_pidfd_send_signal, held_pidfd, SIGKILL, NULL, 0));
    CHECK(waitid(P_PIDFD, (id_t)held_pidfd, &info, WEXITED));
    remove_cgroups(held_name);
}

static void spawn_each(void) {
    char line[4096], *words[64];
    posix_spawn_file_actions_t quiet; // its input and output are ours
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    while (fgets(line, sizeof line, stdin)) {
        unsigned count = 0;
        for (char *word = strtok(line, " \n"); word && count < 63; word = strtok(NULL, " \n")) words[count++] = word;
        words[count] = NULL;
        pid_t pid;
        int status;
        uint64_t begin = now_ns();
        errno = posix_spawnp(&pid, words[0], &quiet, NULL, words, environ);
        CHECK(errno ? -1 : 0);
        CHECK(waitpid(pid, &status, 0));
        uint64_t took = now_ns() - begin;
        printf("%llu %d\n", (unsigned long long)took, WIFEXITED(status) ? WEXITSTATUS(status) : 128);
        fflush(stdout);
    }
}

int main(int count, char **arguments) {
    if (count == 6 && !strcmp(arguments[1], "serve")) {
        read_filter(arguments[5]);
        directory = arguments[2], cgroup = arguments[3], shared = arguments[4];
        serve();
    } else if (count == 2 && !strcmp(arguments[1], "spawn")) {
        spawn_each();
    } else {
        fprintf(stderr, "usage: floor serve DIRECTORY CGROUP SHARED FILTER | floor spawn\n");
        return 2;
    }
    return 0;
}
