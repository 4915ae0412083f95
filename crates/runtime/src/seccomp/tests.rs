use std::os::unix::fs::PermissionsExt;

use outrigger_sys::seccomp::{native, number};
use serde_json::{Value, json};

use super::*;

const ALLOW: u32 = 0x7fff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;
const X86_64: u32 = 0xc000_003e;

fn profile(value: Value) -> LinuxSeccomp {
    serde_json::from_value(value).unwrap()
}

fn filter(value: Value) -> Result<Rc<Filter>, SpecError> {
    Filters::default().of(&profile(value), &mut Vec::new())
}

/// What the kernel would do with a call, by running the program as it does.
fn verdict(filter: &Filter, architecture: u32, call: u32, args: &[u64]) -> u32 {
    let mut data = [0_u8; 64];
    data[..4].copy_from_slice(&call.to_ne_bytes());
    data[4..8].copy_from_slice(&architecture.to_ne_bytes());
    for (index, arg) in args.iter().enumerate() {
        data[16 + 8 * index..][..8].copy_from_slice(&arg.to_ne_bytes());
    }
    let (mut at, mut value) = (0, 0_u32);
    loop {
        let one = filter.program[at];
        at += 1;
        let taken = match one.code {
            0x20 => {
                let place = one.operand as usize;
                value = u32::from_ne_bytes(data[place..place + 4].try_into().unwrap());
                continue;
            }
            0x54 => {
                value &= one.operand;
                continue;
            }
            0x05 => {
                at += one.operand as usize;
                continue;
            }
            0x06 => return one.operand,
            0x15 => value == one.operand,
            0x25 => value > one.operand,
            0x35 => value >= one.operand,
            0x45 => value & one.operand != 0,
            other => panic!("an instruction that seccomp does not know: {other:#x}"),
        };
        at += usize::from(if taken { one.jump_true } else { one.jump_false });
    }
}

fn call(name: &str) -> u32 {
    let name = std::ffi::CString::new(name).unwrap();
    number(native(), &name).unwrap().try_into().unwrap()
}

#[test]
fn every_operator_compares_all_64_bits() {
    let high = 1_u64 << 40;
    for (op, two, holds, not) in [
        ("NE", 0, vec![0, 4, 5 + high], vec![5]),
        ("LT", 0, vec![0, 4], vec![5, 6, high]),
        ("LE", 0, vec![0, 5], vec![6, high]),
        ("EQ", 0, vec![5], vec![4, 6, 5 + high]),
        ("GE", 0, vec![5, 6, high], vec![4]),
        ("GT", 0, vec![6, high], vec![5, 4]),
        ("MASKED_EQ", 4, vec![4, 6, 4 + high, 12], vec![5, 0, 1]),
    ] {
        let filter = filter(json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{
                "names": ["close"], "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 3, "value": 5, "valueTwo": two, "op": format!("SCMP_CMP_{op}")}],
            }],
        }))
        .unwrap();
        let of = |value: u64| verdict(&filter, native(), call("close"), &[9, 9, 9, value]);
        for value in holds {
            assert_eq!(of(value), ALLOW, "{op} {value}");
        }
        for value in not {
            assert_eq!(of(value), ERRNO | 1, "{op} {value}");
        }
    }
}

#[test]
fn every_action_is_what_the_kernel_gets_as_a_rule_and_as_the_default() {
    for (action, errno, value) in [
        ("KILL", None, 0),
        ("KILL_THREAD", None, 0),
        ("KILL_PROCESS", None, KILL_PROCESS),
        ("TRAP", None, 0x0003_0000),
        ("ERRNO", None, ERRNO | 1),
        ("ERRNO", Some(38), ERRNO | 38),
        ("ERRNO", Some(0), ERRNO),
        ("TRACE", Some(7), 0x7ff0_0007),
        ("LOG", None, 0x7ffc_0000),
        ("ALLOW", None, ALLOW),
    ] {
        let name = format!("SCMP_ACT_{action}");
        let other = if action == "ALLOW" {
            "SCMP_ACT_LOG"
        } else {
            "SCMP_ACT_ALLOW"
        };
        let rule = filter(json!({
            "defaultAction": other,
            "syscalls": [{"names": ["close"], "action": name, "errnoRet": errno}],
        }))
        .unwrap();
        assert_eq!(
            verdict(&rule, native(), call("close"), &[]),
            value,
            "{action}"
        );
        assert_ne!(
            verdict(&rule, native(), call("dup"), &[]),
            value,
            "{action}"
        );
        let default = filter(json!({
            "defaultAction": name, "defaultErrnoRet": errno,
            "syscalls": [{"names": ["execve"], "action": other}],
        }))
        .unwrap();
        assert_eq!(
            verdict(&default, native(), call("close"), &[]),
            value,
            "{action}"
        );
    }
}

#[test]
fn several_actions_stand_in_one_profile_and_comparisons_of_one_argument_are_alternatives() {
    let both = |value: u64| json!({"index": 0, "value": value, "op": "SCMP_CMP_EQ"});
    let filter = filter(json!({
        "defaultAction": "SCMP_ACT_KILL_PROCESS",
        "syscalls": [
            {"names": ["read", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
            {"names": ["write"], "action": "SCMP_ACT_ERRNO"},
            {"names": ["close"], "action": "SCMP_ACT_ALLOW", "args": [both(3), both(4)]},
            {"names": ["dup3"], "action": "SCMP_ACT_ALLOW",
             "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 2, "op": "SCMP_CMP_EQ"}]},
        ],
    }))
    .unwrap();
    let of = |name: &str, args: &[u64]| verdict(&filter, native(), call(name), args);
    assert_eq!(of("read", &[]), ALLOW);
    assert_eq!(of("clone3", &[]), ERRNO | 38);
    assert_eq!(of("write", &[]), ERRNO | 1);
    assert_eq!((of("close", &[3]), of("close", &[4])), (ALLOW, ALLOW));
    assert_eq!(of("close", &[5]), KILL_PROCESS);
    assert_eq!(of("dup3", &[1, 2]), ALLOW);
    assert_eq!(
        (of("dup3", &[1, 3]), of("dup3", &[2, 2])),
        (KILL_PROCESS, KILL_PROCESS)
    );
}

#[test]
fn calls_that_are_newer_than_the_profile_do_not_exist() {
    let with = |default: &str, architectures: Value| {
        filter(json!({
            "defaultAction": default, "architectures": architectures,
            "syscalls": [{"names": ["read", "openat2"], "action": "SCMP_ACT_ALLOW"}],
        }))
        .unwrap()
    };
    let newest = call("openat2");
    for default in ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"] {
        let filter = with(default, Value::Null);
        assert_eq!(verdict(&filter, native(), newest, &[]), ALLOW);
        for newer in [newest + 1, 5000, 0x4000_0000, u32::MAX] {
            assert_eq!(
                verdict(&filter, native(), newer, &[]),
                ERRNO | 38,
                "{newer}"
            );
        }
        assert_ne!(verdict(&filter, native(), newest - 1, &[]), ERRNO | 38);
    }
    // What allows what it does not name has nothing to refuse.
    assert_eq!(
        verdict(&with("SCMP_ACT_LOG", Value::Null), native(), 5000, &[]),
        0x7ffc_0000
    );
}

#[cfg(target_arch = "x86_64")]
#[test]
fn no_architecture_is_a_way_around() {
    const I386: u32 = 0x4000_0003;
    let with = |architectures: Value| {
        filter(json!({
            "defaultAction": "SCMP_ACT_ERRNO", "architectures": architectures,
            "syscalls": [{"names": ["read", "openat2"], "action": "SCMP_ACT_ALLOW"}],
        }))
        .unwrap()
    };
    let own = with(json!(["SCMP_ARCH_X86_64"]));
    // Not even under a number that means something harmless on x86-64.
    assert_eq!(verdict(&own, I386, 0, &[]) & !0xffff, 0);
    assert_eq!(verdict(&own, X86_64, 0x4000_0000, &[]), ERRNO | 38);
    let all = with(json!([
        "SCMP_ARCH_X86_64",
        "SCMP_ARCH_X86",
        "SCMP_ARCH_X32"
    ]));
    assert_eq!(verdict(&all, I386, 3, &[]), ALLOW);
    assert_eq!(verdict(&all, I386, 0, &[]), ERRNO | 1);
    assert_eq!(verdict(&all, I386, 437, &[]), ALLOW);
    assert_eq!(verdict(&all, I386, 438, &[]), ERRNO | 38);
    assert_eq!(verdict(&all, X86_64, 0, &[]), ALLOW);
    assert_eq!(verdict(&all, X86_64, 438, &[]), ERRNO | 38);
    assert_eq!(verdict(&all, X86_64, 0x4000_0000, &[]), ALLOW);
    assert_eq!(verdict(&all, X86_64, 0x4000_0001, &[]), ERRNO | 1);
    assert_eq!(verdict(&all, X86_64, 0x4000_0000 + 438, &[]), ERRNO | 38);
    assert_eq!(verdict(&all, 0xc000_00b7, 63, &[]) & !0xffff, 0);
}

#[test]
fn what_makes_no_sense_is_refused_by_its_field() {
    let rule = |rule: Value| json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]});
    let arg = |index: u32| json!({"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": index, "value": 0, "op": "SCMP_CMP_EQ"}]});
    for (value, words) in [
        (
            json!({"defaultAction": "SCMP_ACT_NOTIFY"}),
            "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY is not supported",
        ),
        (
            json!({"defaultAction": "SCMP_ACT_ERRNO", "listenerPath": "/a"}),
            "linux.seccomp.listenerPath is not supported",
        ),
        (
            json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5000}),
            "linux.seccomp.defaultAction: errno 5000 is beyond 4095",
        ),
        (
            json!({"defaultAction": "SCMP_ACT_ERRNO", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}),
            "linux.seccomp.flags: ",
        ),
        (
            rule(arg(6)),
            "linux.seccomp.syscalls[0].args[0].index: 6 is beyond 5",
        ),
        (
            rule(json!({"names": ["a\0b"], "action": "SCMP_ACT_ALLOW"})),
            "linux.seccomp.syscalls[0].names: has a nul byte",
        ),
        (
            rule(json!({"names": ["read"], "action": "SCMP_ACT_NOTIFY"})),
            "linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY",
        ),
        (
            json!({"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_S390X"]}),
            "linux.seccomp.architectures: SCMP_ARCH_S390X: ",
        ),
    ] {
        let error = filter(value.clone()).unwrap_err().to_string();
        assert!(error.starts_with(words), "{value}: {error}");
    }
}

#[test]
fn flags_are_the_kernels_and_without_any_speculation_is_allowed() {
    let flags = |flags: Value| {
        let with = json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": flags});
        filter(with).unwrap().flags
    };
    assert_eq!(flags(Value::Null), 4);
    assert_eq!(flags(json!([])), 0);
    assert_eq!(
        flags(json!([
            "SECCOMP_FILTER_FLAG_LOG",
            "SECCOMP_FILTER_FLAG_TSYNC"
        ])),
        2
    );
    assert_eq!(
        flags(json!([
            "SECCOMP_FILTER_FLAG_LOG",
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW"
        ])),
        6
    );
}

/// A folder that goes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path =
            std::env::temp_dir().join(format!("outrigger-seccomp-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn simple() -> LinuxSeccomp {
    profile(json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}],
    }))
}

#[test]
fn a_profile_is_compiled_once_and_a_damaged_file_is_as_good_as_none() {
    let scratch = Scratch::new("kept");
    let folder = scratch.0.join("seccomp");
    let mut warnings = Vec::new();
    let filters = Filters::new(Some(folder.clone()));
    let first = filters.of(&simple(), &mut warnings).unwrap();
    assert!(Rc::ptr_eq(
        &first,
        &filters.of(&simple(), &mut warnings).unwrap()
    ));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    let entries: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    let file = &entries[0];
    assert_eq!((mode(&folder), mode(file)), (0o700, 0o600));
    let whole = std::fs::read(file).unwrap();
    let key = Key::of(&simple()).unwrap();
    assert_eq!(kept::read(&folder, &key).unwrap(), first.program);
    // Whoever finds it damaged compiles again, and the file is whole afterwards.
    let mended = |what: &str, damaged: &[u8]| {
        std::fs::write(file, damaged).unwrap();
        assert_eq!(kept::read(&folder, &key), None, "{what}");
        let again = Filters::new(Some(folder.clone()));
        let filter = again.of(&simple(), &mut Vec::new()).unwrap();
        assert_eq!(filter.program, first.program, "{what}");
        assert_eq!(std::fs::read(file).unwrap(), whole, "{what}");
    };
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 1 << (place % 8);
        mended(&format!("bit flipped in byte {place}"), &damaged);
    }
    for quarter in 0..4 {
        mended(
            &format!("cut at {quarter}/4"),
            &whole[..whole.len() * quarter / 4],
        );
    }
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn what_cannot_be_kept_is_compiled_each_time_with_a_warning() {
    let scratch = Scratch::new("open");
    std::fs::set_permissions(&scratch.0, std::fs::Permissions::from_mode(0o777)).unwrap();
    for folder in [scratch.0.clone(), scratch.0.join("no/such")] {
        let mut warnings = Vec::new();
        let filters = Filters::new(Some(folder));
        filters.of(&simple(), &mut warnings).unwrap();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 0);
}
