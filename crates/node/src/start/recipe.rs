//! What is a container made of? Its image, its user, its environment, and the config that comes of
//! them.

use outrigger_bundle::env::{self, Running};
use outrigger_bundle::seccomp::Confinement;
use outrigger_bundle::user::{self, Accounts, User};
use outrigger_bundle::{ImageConfig, Namespaces, Paths, PidNamespace, Request, VolumeMount};
use outrigger_image::{Image, Reference, files};
use outrigger_lifecycle::StartFailure;
use outrigger_pod::resources::NodeAmounts;
use outrigger_pod::{Signal, Slot};

use crate::hands::{Hands, chain};
use crate::start::seccomp::Profile;
use crate::start::{create_error, failure};
use crate::{names, sandbox};

/// What a container is made of.
pub(super) struct Recipe {
    /// Its image.
    pub(super) image: Image,
    /// What asks it to stop.
    pub(super) stop_signal: Signal,
    /// Keys of ConfigMaps and Secrets that cannot be names of variables.
    pub(super) left_out: Vec<String>,
    user: User,
    env: Vec<(String, String)>,
    /// Which system calls it may make.
    pub(super) profile: Profile,
}

impl Recipe {
    /// Finds everything; the reasons of failures are Kubernetes'.
    pub(super) fn of(hands: &Hands, slot: Slot) -> Result<Recipe, StartFailure> {
        let image = image(hands, slot)?;
        let account_file = |path: &str| {
            let bytes = files::read_in_image(&image, path);
            let bytes = bytes
                .map_err(|error| create_error(chain(&error)))?
                .unwrap_or_default();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let (passwd, group) = (account_file("/etc/passwd")?, account_file("/etc/group")?);
        let accounts = Accounts {
            passwd: &passwd,
            group: &group,
        };
        let pod = hands.pod();
        let user = user::resolve(&pod, slot, &image.config.user, accounts)
            .map_err(|error| config_error(error.to_string()))?;
        let objects = hands.around.objects();
        let environment = env::assemble(&pod, slot, &objects, &running(hands))
            .map_err(|error| config_error(error.to_string()))?;
        let own = pod[slot].stop_signal;
        let of_image = || Signal::parse(image.config.stop_signal.as_deref()?);
        let stop_signal = own.or_else(of_image).unwrap_or(Signal::TERM);
        let left_out = environment.left_out;
        let folder = hands.around.settings.directories.profiles();
        Ok(Recipe {
            profile: Profile::of(&pod, slot, &folder)?,
            image,
            stop_signal,
            left_out,
            user,
            env: environment.vars,
        })
    }

    /// The OCI config of the instance with this id.
    pub(super) fn config(
        &self,
        hands: &Hands,
        slot: Slot,
        attempt: u32,
        id: &str,
        confinement: Confinement<'_>,
    ) -> Result<Vec<u8>, StartFailure> {
        let dirs = &hands.dirs;
        let volumes = hands.volumes();
        let mounts = volumes.paths.iter().map(|(volume, path)| {
            // ConfigMaps and Secrets stand in the state directory, and nobody writes to them.
            let read_only = path.starts_with(&dirs.state);
            (
                volume.clone(),
                VolumeMount {
                    path: path.clone(),
                    options: Vec::new(),
                    read_only,
                },
            )
        });
        let pod = hands.pod();
        let spec = pod.manifest.spec.as_ref();
        let inherits = spec.is_some_and(|spec| {
            spec.share_process_namespace == Some(true) || spec.host_pid == Some(true)
        });
        let pid = if inherits {
            PidNamespace::Inherited
        } else {
            PidNamespace::Private
        };
        let hostname = names::names(&pod).map_err(config_error)?.hostname;
        let config = outrigger_bundle::config(&Request {
            pod: &pod,
            slot,
            attempt,
            image: &image_config(&self.image),
            user: &self.user,
            env: &self.env,
            volumes: &mounts.collect(),
            paths: &paths(hands, slot, attempt),
            hostname: &hostname,
            host: &hands.around.host,
            namespaces: &Namespaces { pid },
            confinement,
            cgroup: &format!("{}/{id}", sandbox::cgroup(hands)),
        });
        let config = config.map_err(|error| config_error(chain(&error)))?;
        serde_json::to_vec(&config)
            .map_err(|error| create_error(format!("write the config as JSON: {error}")))
    }
}

fn config_error(message: String) -> StartFailure {
    failure("CreateContainerConfigError", message)
}

fn image(hands: &Hands, slot: Slot) -> Result<Image, StartFailure> {
    let pod = hands.pod();
    let container = &pod[slot].spec;
    let name = container.image.as_deref().unwrap_or_default();
    let reference = Reference::parse(name).map_err(|error| {
        failure(
            "InvalidImageName",
            format!("image {name:?}: {}", chain(&error)),
        )
    })?;
    let images = &hands.around.images;
    let image = images.resolve(&reference).map_err(|error| {
        if container.image_pull_policy.as_deref() == Some("Never") {
            let message =
                format!("Container image {name:?} is not present with pull policy of Never");
            failure("ErrImageNeverPull", message)
        } else {
            failure("ErrImagePull", chain(&error))
        }
    })?;
    // Host directories are not the store's, and there is nothing to hold.
    if !matches!(reference, Reference::Host | Reference::Dir(_)) {
        let held = images.hold(&hands.uid.0, &image);
        held.map_err(|error| failure("ErrImagePull", chain(&error)))?;
    }
    Ok(image)
}

fn image_config(image: &Image) -> ImageConfig {
    ImageConfig {
        entrypoint: image.config.entrypoint.clone().unwrap_or_default(),
        cmd: image.config.cmd.clone().unwrap_or_default(),
        env: image.config.env.clone(),
        user: image.config.user.clone(),
        workdir: image.config.working_dir.clone(),
        stop_signal: image.config.stop_signal.clone(),
        volumes: image.config.volumes.clone(),
    }
}

fn running(hands: &Hands) -> Running {
    let host = &hands.around.host;
    Running {
        pod_ips: Vec::new(),
        host_ips: Vec::new(),
        node_name: names::node_name(),
        allocatable: NodeAmounts {
            cpu_milli: i64::from(host.cpus) * 1000,
            memory_bytes: i64::try_from(host.memory_bytes).unwrap_or(i64::MAX),
            storage_bytes: 0,
        },
    }
}

fn paths(hands: &Hands, slot: Slot, attempt: u32) -> Paths {
    let dirs = &hands.dirs;
    let pod = hands.pod();
    let spec = pod.manifest.spec.as_ref();
    // Shared memory goes with the IPC namespace.
    let shm = match spec.and_then(|spec| spec.host_ipc) {
        Some(true) => std::path::PathBuf::from("/dev/shm"),
        _ => dirs.shared_memory(),
    };
    Paths {
        hosts: Some(dirs.file("hosts")),
        resolv_conf: Some(dirs.file("resolv.conf")),
        hostname: Some(dirs.file("hostname")),
        termination: Some(dirs.termination(&pod[slot].name.0, attempt)),
        shm: Some(shm),
    }
}
