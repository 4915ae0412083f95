//! Which system calls are refused by default, and what does it take to be allowed them?

use nix::libc;
use runtime_tests::told::{has_told, tells, told};
use runtime_tests::{Failure, Output, Verdict, World, ensure, needs, pod_of};
use serde_json::json;

/// Calls what it is told, `name=number[:argument,…]`, and says the errno of each; other arguments are -1.
const CALLS: &str = r#"
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for word in sys.argv[1:]:
    name, call = word.split("=")
    number, _, args = call.partition(":")
    args = [int(arg, 0) for arg in args.split(",") if arg]
    args += [-1] * (6 - len(args))
    ctypes.set_errno(0)
    got = libc.syscall(ctypes.c_long(int(number, 0)), *[ctypes.c_long(arg) for arg in args])
    if got == 0 and name.startswith("clone") and os.getpid() != own:
        os._exit(0)
    print(name, ctypes.get_errno() if got == -1 else "passed", flush=True)
"#;

fn calls(world: &World, spec: &str, security: &str, calls: &[String]) -> Result<Output, Failure> {
    let script = CALLS.replacen(
        "import ctypes, os, sys\n",
        "import ctypes, os, sys\nown = os.getpid()\n",
        1,
    );
    let command = json!(["/usr/bin/python3", "-c", script]);
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: calls}}\nspec:\n  restartPolicy: Never\n{spec}  containers:\n  \
         - name: main\n    image: host:/\n    securityContext: {security}\n    command: {command}\n    args: {}\n",
        json!(calls)
    );
    world.ended(&manifest, &[], 0)
}

/// What was said of each call that is not as `wanted` says.
fn otherwise(
    output: &Output,
    names: &[String],
    wanted: impl Fn(&str) -> &'static str,
) -> Vec<String> {
    let told = told(output);
    let said = |name: &str| {
        told.get(&format!("main.{name}"))
            .map_or("nothing", String::as_str)
    };
    names
        .iter()
        .filter(|name| said(name) != wanted(name))
        .map(|name| format!("{name}: {}", said(name)))
        .collect()
}

pub(crate) fn the_hosts_keys_are_out_of_reach(world: &World) -> Verdict {
    needs!("python3");
    // Which keyring is the user's; what is in it; and a new key in it.
    let words = [
        format!("ask={}:0,-4,0", libc::SYS_keyctl),
        format!("read={}:11,-4,0,0", libc::SYS_keyctl),
        format!("request={}:0,0,0,-4", libc::SYS_request_key),
        format!("add={}:0,0,0,0,-4", libc::SYS_add_key),
    ];
    let output = calls(world, "", "{}", &words)?;
    let refused = [
        ("main.ask", "1"),
        ("main.read", "1"),
        ("main.request", "1"),
        ("main.add", "1"),
    ];
    has_told(&output, &refused)
}

macro_rules! numbered {
    ($($name:ident)*) => { [$((stringify!($name), libc::$name)),*] };
}

/// What the default profiles of containerd and CRI-O both refuse to root with the default capabilities.
#[cfg(target_arch = "x86_64")]
fn refused_by_both() -> Vec<(&'static str, i64)> {
    let named = numbered![
        SYS__sysctl SYS_acct SYS_add_key SYS_afs_syscall SYS_bpf SYS_chroot SYS_clock_settime SYS_clone3
        SYS_delete_module SYS_finit_module SYS_getpmsg SYS_init_module
        SYS_io_uring_enter SYS_io_uring_register SYS_io_uring_setup SYS_ioperm SYS_iopl SYS_kcmp SYS_kexec_file_load
        SYS_kexec_load SYS_lookup_dcookie SYS_migrate_pages SYS_move_pages SYS_nfsservctl SYS_open_by_handle_at
        SYS_perf_event_open SYS_process_madvise SYS_putpmsg SYS_quotactl SYS_quotactl_fd
        SYS_request_key SYS_security SYS_set_mempolicy_home_node SYS_setdomainname SYS_sethostname SYS_settimeofday
        SYS_swapoff SYS_swapon SYS_sysfs SYS_tuxcall SYS_unshare SYS_uselib SYS_userfaultfd SYS_ustat SYS_vhangup
        SYS_vserver
    ];
    // Of calls that the kernel has no more the C library has no names either.
    let former = [
        ("create_module", 174),
        ("get_kernel_syms", 177),
        ("query_module", 178),
    ];
    [&named[..], &former].concat()
}

#[cfg(not(target_arch = "x86_64"))]
fn refused_by_both() -> Vec<(&'static str, i64)> {
    numbered![
        SYS_acct SYS_add_key SYS_bpf SYS_chroot SYS_clock_settime SYS_clone3 SYS_delete_module SYS_finit_module
        SYS_init_module SYS_io_uring_enter SYS_io_uring_register SYS_io_uring_setup SYS_kcmp SYS_kexec_file_load
        SYS_kexec_load SYS_lookup_dcookie SYS_migrate_pages SYS_move_pages SYS_nfsservctl SYS_open_by_handle_at
        SYS_perf_event_open SYS_process_madvise SYS_quotactl SYS_request_key SYS_setdomainname SYS_sethostname
        SYS_settimeofday SYS_swapoff SYS_swapon SYS_unshare SYS_userfaultfd SYS_vhangup
    ]
    .to_vec()
}

/// What one of the two refuses, and we too.
fn refused_by_one() -> Vec<(&'static str, i64)> {
    numbered![
        SYS_fanotify_init SYS_fsconfig SYS_fsmount SYS_fsopen SYS_fspick SYS_get_mempolicy SYS_keyctl SYS_mbind SYS_mount
        SYS_mount_setattr SYS_move_mount SYS_open_tree SYS_pidfd_getfd SYS_pivot_root SYS_reboot SYS_set_mempolicy
        SYS_setns SYS_syslog SYS_umount2
    ]
    .to_vec()
}

pub(crate) fn what_other_engines_refuse_is_refused(world: &World) -> Verdict {
    needs!("python3");
    let all = [refused_by_both(), refused_by_one()].concat();
    let mut words: Vec<String> = all
        .iter()
        .map(|(name, number)| format!("{name}={number}"))
        .collect();
    // These the kernel may get one day; the profile is older.
    let newer = ["new500", "new600", "new1000"];
    words.extend(newer.iter().map(|name| format!("{name}={}", &name[3..])));
    let names: Vec<String> = words
        .iter()
        .filter_map(|word| Some(word.split_once('=')?.0.to_owned()))
        .collect();
    let output = calls(world, "", "{}", &words)?;
    let passed = otherwise(&output, &names, |name| match name {
        "SYS_clone3" => "38",
        name if newer.contains(&name) => "38",
        _ => "1",
    });
    // Where the compiled-in library does not know a call it is newer than the profile.
    let passed: Vec<_> = passed
        .into_iter()
        .filter(|said| said != "SYS_set_mempolicy_home_node: 38")
        .collect();
    ensure!(
        passed.is_empty(),
        "these are not refused as they should be: {passed:?}"
    );
    Ok(())
}

pub(crate) fn arguments_decide_about_some_calls(world: &World) -> Verdict {
    needs!("python3");
    let clone = |name: &str, flags: i32| {
        format!(
            "clone{name}={}:{:#x},0,0,0,0",
            libc::SYS_clone,
            flags | libc::SIGCHLD
        )
    };
    let socket = |name: &str, family: i64| {
        format!(
            "{name}={}:{family:#x},{},0",
            libc::SYS_socket,
            libc::SOCK_STREAM
        )
    };
    let personality =
        |name: &str, value: u64| format!("{name}={}:{value:#x}", libc::SYS_personality);
    let words = [
        clone("", 0),
        clone(".mounts", libc::CLONE_NEWNS),
        clone(".users", libc::CLONE_NEWUSER),
        clone(".processes", libc::CLONE_NEWPID),
        clone(".network", libc::CLONE_NEWNET),
        clone(".ipc", libc::CLONE_NEWIPC),
        clone(".uts", libc::CLONE_NEWUTS),
        clone(".cgroups", libc::CLONE_NEWCGROUP),
        socket("unix", i64::from(libc::AF_UNIX)),
        socket("inet", i64::from(libc::AF_INET)),
        socket("inet6", i64::from(libc::AF_INET6)),
        socket("alg", i64::from(libc::AF_ALG)),
        socket("vsock", i64::from(libc::AF_VSOCK)),
        // The kernel looks at the lower half only.
        socket("alg.high", i64::from(libc::AF_ALG) | 1 << 32),
        socket("vsock.high", i64::from(libc::AF_VSOCK) | 1 << 40),
        personality("linux", 0),
        personality("linux32", 8),
        personality("ask", 0xffff_ffff),
        personality("norandom", 0x0004_0000),
        personality("execread", 0x0040_0000),
    ];
    let output = calls(world, "", "{}", &words)?;
    let mut wanted = Vec::new();
    for passes in ["clone", "unix", "inet", "inet6", "linux", "linux32", "ask"] {
        wanted.push((format!("main.{passes}"), "passed"));
    }
    for refused in [
        "clone.mounts",
        "clone.users",
        "clone.processes",
        "clone.network",
        "clone.ipc",
        "clone.uts",
        "clone.cgroups",
        "alg",
        "vsock",
        "alg.high",
        "vsock.high",
        "norandom",
        "execread",
    ] {
        wanted.push((format!("main.{refused}"), "1"));
    }
    let wanted: Vec<(&str, &str)> = wanted
        .iter()
        .map(|(key, value)| (key.as_str(), *value))
        .collect();
    has_told(&output, &wanted)
}

/// Machine code that calls `getpid` as a program of 32 bits does, in a process of its own.
#[cfg(target_arch = "x86_64")]
const OF_32_BITS: &str = r#"
import ctypes, mmap, os
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
child = os.fork()
if child == 0:
    call()
    os._exit(0)
print("int80", os.waitpid(child, 0)[1] & 0x7f)
libc = ctypes.CDLL(None, use_errno=True)
print("x32", libc.syscall(ctypes.c_long(0x40000000 + 39)), ctypes.get_errno())
"#;

#[cfg(target_arch = "x86_64")]
pub(crate) fn another_architecture_is_no_way_around(world: &World) -> Verdict {
    needs!("python3");
    let command = json!(["/usr/bin/python3", "-c", OF_32_BITS]);
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  restartPolicy: Never\n  containers:\n  \
         - {{name: main, image: 'host:/', command: {command}}}\n"
    );
    // 31 is SIGSYS; a kernel that cannot do it at all gives SIGSEGV.
    let output = world.ended(&manifest, &[], 0)?;
    let told = told(&output);
    let int80 = told.get("main.int80").map(String::as_str);
    ensure!(matches!(int80, Some("31" | "11")), "{}", output.shown());
    has_told(&output, &[("main.x32", "-1 38")])
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn another_architecture_is_no_way_around(_: &World) -> Verdict {
    // There is no second set of calls that a program of this architecture could make.
    Ok(())
}

pub(crate) fn a_capability_brings_its_calls(world: &World) -> Verdict {
    let script = "mkdir -p /tmp/m; mount -t tmpfs none /tmp/m 2>/dev/null && echo mount yes || echo mount no; \
                  unshare -u true 2>/dev/null && echo unshare yes || echo unshare no; \
                  chroot / true 2>/dev/null && echo chroot yes || echo chroot no; grep Seccomp: /proc/self/status";
    for (add, mount, chroot) in [
        ("", "no", "no"),
        ("SYS_CHROOT", "no", "yes"),
        ("SYS_ADMIN", "yes", "no"),
    ] {
        let manifest = pod_of("", script)
            + &format!("    securityContext: {{capabilities: {{add: [{add}]}}}}\n");
        let wanted = [
            ("main.mount", mount),
            ("main.unshare", mount),
            ("main.chroot", chroot),
            ("main.Seccomp", "2"),
        ];
        tells(world, &manifest, &wanted)?;
    }
    Ok(())
}
