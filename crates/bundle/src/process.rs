//! What runs in a container, with which words, environment and limits?

use std::collections::BTreeMap;

use oci_spec::runtime::{
    PosixRlimit, PosixRlimitBuilder, PosixRlimitType, Process, ProcessBuilder, UserBuilder,
};
use outrigger_pod::resources::oom_score_adj;
use outrigger_pod::text::quoted;

use crate::bounds::{Budget, variable};
use crate::capabilities::capabilities;
use crate::error::BundleError;
use crate::expand;
use crate::mounts::context;
use crate::request::Request;

/// What programs find when the image names no search path.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What every terminal in use today can do.
const TERM: &str = "xterm";

const UNLIMITED: u64 = u64::MAX;

/// To what size a stack may grow, as Linux has it. The kernel's limit on commands and environments follows
/// from it.
pub(crate) const STACK_BYTES: u64 = 8 << 20;

/// Fixed numbers for every resource, those of a service of systemd's, so that no container depends on how
/// the node was started. The soft limit of files is what `select` can bear; programs that know better raise it.
const RLIMITS: [(PosixRlimitType, u64, u64); 14] = [
    (PosixRlimitType::RlimitNofile, 1024, 524_288),
    (PosixRlimitType::RlimitCore, 0, 0),
    (PosixRlimitType::RlimitMemlock, 8 << 20, 8 << 20),
    (PosixRlimitType::RlimitStack, STACK_BYTES, UNLIMITED),
    (PosixRlimitType::RlimitMsgqueue, 819_200, 819_200),
    (PosixRlimitType::RlimitNice, 0, 0),
    (PosixRlimitType::RlimitRtprio, 0, 0),
    (PosixRlimitType::RlimitRttime, UNLIMITED, UNLIMITED),
    (PosixRlimitType::RlimitCpu, UNLIMITED, UNLIMITED),
    (PosixRlimitType::RlimitFsize, UNLIMITED, UNLIMITED),
    (PosixRlimitType::RlimitData, UNLIMITED, UNLIMITED),
    (PosixRlimitType::RlimitRss, UNLIMITED, UNLIMITED),
    (PosixRlimitType::RlimitAs, UNLIMITED, UNLIMITED),
    (PosixRlimitType::RlimitLocks, UNLIMITED, UNLIMITED),
];

/// What the kernel counts by user, over all Pods. A Pod's processes are limited by its cgroup. The kernel's own
/// numbers follow the machine's memory, so these are set only by who may raise them.
const RLIMITS_OF_USERS: [(PosixRlimitType, u64, u64); 2] = [
    (PosixRlimitType::RlimitNproc, UNLIMITED, UNLIMITED),
    (PosixRlimitType::RlimitSigpending, 65_536, 65_536),
];

/// The process part of the config.
pub(crate) fn process(request: &Request<'_>) -> Result<Process, BundleError> {
    let container = &request.pod[request.slot];
    let user = UserBuilder::default()
        .uid(request.user.uid)
        .gid(request.user.gid)
        .additional_gids(request.user.groups.clone())
        .build()?;
    let no_new_privileges =
        context(request).and_then(|context| context.allow_privilege_escalation) == Some(false);
    let memory_bytes = i64::try_from(request.host.memory_bytes).unwrap_or(i64::MAX);
    let score = request
        .pod
        .manifest
        .spec
        .as_ref()
        .map(|spec| oom_score_adj(spec, &container.spec, memory_bytes));
    // The kernel counts both together.
    let mut budget = Budget::default();
    let (args, env) = (args(request, &mut budget)?, env(request, &mut budget)?);
    let mut process = ProcessBuilder::default()
        .terminal(container.spec.tty == Some(true))
        .user(user)
        .args(args)
        .env(env)
        .cwd(cwd(request)?)
        .capabilities(capabilities(
            context(request),
            &request.host.capabilities,
            request.user.uid,
        )?)
        .rlimits(rlimits(&request.host.capabilities)?)
        .no_new_privileges(no_new_privileges);
    if let Some(score) = score {
        process = process.oom_score_adj(score);
    }
    Ok(process.build()?)
}

/// The manifest's `command` takes the place of the image's entrypoint and of its command; `args`
/// alone that of its command.
fn args(request: &Request<'_>, budget: &mut Budget) -> Result<Vec<String>, BundleError> {
    let container = &request.pod[request.slot].spec;
    let mut words = |list: &Option<Vec<String>>| {
        expand::command(list.as_deref().unwrap_or_default(), request.env, budget)
    };
    let (command, args) = (words(&container.command)?, words(&container.args)?);
    let image = request.image;
    let (of_image, own): (Vec<&[String]>, _) = match (command.is_empty(), args.is_empty()) {
        (false, _) => (Vec::new(), [command, args].concat()),
        (true, false) => (vec![&image.entrypoint], args),
        (true, true) => (vec![&image.entrypoint, &image.cmd], Vec::new()),
    };
    for word in of_image.iter().copied().flatten() {
        let what = || format!("{} of the image's command", quoted(word));
        budget.take(word.len() as u64, what)?;
    }
    let all = [of_image.concat(), own].concat();
    match all.first().map(String::as_str) {
        None | Some("") => Err(BundleError::NoCommand),
        _ => without_nul(request, "a command", all),
    }
}

/// The image's environment with the manifest's over it. `PATH`, `HOME` and `HOSTNAME` are always
/// set, `TERM` where there is a terminal.
fn env(request: &Request<'_>, budget: &mut Budget) -> Result<Vec<String>, BundleError> {
    let mut env: Vec<(&str, &str)> = vec![
        ("PATH", PATH),
        ("HOME", &request.user.home),
        ("HOSTNAME", request.hostname),
    ];
    if request.pod[request.slot].spec.tty == Some(true) {
        env.push(("TERM", TERM));
    }
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    places.extend(env.iter().enumerate().map(|(at, (name, _))| (*name, at)));
    let image = request
        .image
        .env
        .iter()
        .filter_map(|pair| pair.split_once('='));
    let manifest = request
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in image.chain(manifest) {
        match places.get(name) {
            Some(at) => env[*at].1 = value,
            None => {
                places.insert(name, env.len());
                env.push((name, value));
            }
        }
    }
    for (name, value) in &env {
        let bytes = name.len() + 1 + value.len();
        budget.take(bytes as u64, || variable(name))?;
    }
    let env = env
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    without_nul(request, "an environment variable", env)
}

fn cwd(request: &Request<'_>) -> Result<String, BundleError> {
    let container = &request.pod[request.slot].spec;
    let own = container
        .working_dir
        .as_deref()
        .filter(|dir| !dir.is_empty());
    let image = Some(request.image.workdir.as_str()).filter(|dir| !dir.is_empty());
    let workdir = own.or(image).unwrap_or("/");
    if !workdir.starts_with('/') || workdir.contains('\0') {
        return Err(BundleError::Workdir {
            workdir: workdir.to_owned(),
            container: container.name.clone(),
        });
    }
    Ok(workdir.to_owned())
}

/// `all` are the capabilities of this program.
fn rlimits(all: &[String]) -> Result<Vec<PosixRlimit>, BundleError> {
    let build = |(kind, soft, hard): &(PosixRlimitType, u64, u64)| {
        Ok(PosixRlimitBuilder::default()
            .typ(*kind)
            .soft(*soft)
            .hard(*hard)
            .build()?)
    };
    let may_raise = all.iter().any(|name| name == "CAP_SYS_RESOURCE");
    let of_users = RLIMITS_OF_USERS.iter().filter(|_| may_raise);
    RLIMITS.iter().chain(of_users).map(build).collect()
}

fn without_nul(
    request: &Request<'_>,
    what: &'static str,
    texts: Vec<String>,
) -> Result<Vec<String>, BundleError> {
    if texts.iter().any(|text| text.contains('\0')) {
        return Err(BundleError::Nul {
            what,
            container: request.pod[request.slot].name.0.clone(),
        });
    }
    Ok(texts)
}
