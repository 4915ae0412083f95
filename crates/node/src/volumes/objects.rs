//! Which files does a ConfigMap or Secret volume hold?

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use outrigger_pod::Objects;

use crate::volumes::atomic::File;

/// The files by their path in the volume.
pub(super) type Files = BTreeMap<String, File>;

/// How much the volumes of a Pod may hold that show objects: sixty-four of the largest. One key may be shown
/// as often as a manifest has room for, and all of it lies in memory.
const ROOM_BYTES: usize = 64 << 20;

/// The room that is left.
pub(super) struct Room {
    left_bytes: usize,
}

impl Room {
    /// All of a Pod's room.
    pub(super) fn of_a_pod() -> Room {
        Room {
            left_bytes: ROOM_BYTES,
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), String> {
        match self.left_bytes.checked_sub(bytes) {
            Some(left) => {
                self.left_bytes = left;
                Ok(())
            }
            None => Err(format!(
                "the pod's volumes of configmaps and secrets would hold more than {} MiB",
                ROOM_BYTES >> 20
            )),
        }
    }
}

/// Whether a volume shows an object.
pub(super) fn shows_object(volume: &core::Volume) -> bool {
    volume.config_map.is_some() || volume.secret.is_some()
}

/// The content of a volume that shows an object, or `None` if it is of another type.
pub(super) fn content(
    namespace: &str,
    objects: &Objects,
    volume: &core::Volume,
    fs_group: Option<u32>,
    room: &mut Room,
) -> Option<Result<Files, String>> {
    // Members of the Pod's group must be able to read what was made for the Pod.
    let readable = if fs_group.is_some() { 0o040 } else { 0 };
    if let Some(source) = &volume.config_map {
        let found = objects
            .config_maps
            .get(&(namespace.to_owned(), source.name.clone()));
        let view = View {
            noun: "configmap",
            key_noun: "config",
            name: &source.name,
            data: found.map(config_map),
            items: source.items.as_deref().unwrap_or_default(),
            optional: source.optional.unwrap_or(false),
            mode: mode(source.default_mode, 0o644),
        };
        return Some(files(&view, readable, room));
    }
    let source = volume.secret.as_ref()?;
    let name = source.secret_name.as_deref().unwrap_or_default();
    let view = View {
        noun: "secret",
        key_noun: "secret",
        name,
        data: objects
            .secrets
            .get(&(namespace.to_owned(), name.to_owned()))
            .map(secret),
        items: source.items.as_deref().unwrap_or_default(),
        optional: source.optional.unwrap_or(false),
        mode: mode(source.default_mode, 0o644),
    };
    Some(files(&view, readable, room))
}

/// What a volume says of an object, whichever of the two kinds it is.
struct View<'a> {
    noun: &'static str,
    key_noun: &'static str,
    name: &'a str,
    data: Option<BTreeMap<String, Vec<u8>>>,
    items: &'a [core::KeyToPath],
    optional: bool,
    mode: u32,
}

fn files(view: &View<'_>, readable: u32, room: &mut Room) -> Result<Files, String> {
    let data = match (&view.data, view.optional) {
        (Some(data), _) => data,
        (None, true) => return Ok(Files::new()),
        (None, false) => return Err(format!("{} {:?} not found", view.noun, view.name)),
    };
    let mut file = |bytes: &Vec<u8>, mode| {
        room.take(bytes.len())?;
        Ok::<_, String>(File {
            bytes: bytes.clone(),
            mode: mode | readable,
        })
    };
    if view.items.is_empty() {
        let all = data.iter();
        return all
            .map(|(key, bytes)| Ok((key.clone(), file(bytes, view.mode)?)))
            .collect();
    }
    let mut files = Files::new();
    for item in view.items {
        match data.get(&item.key) {
            Some(bytes) => {
                files.insert(item.path.clone(), file(bytes, mode(item.mode, view.mode))?);
            }
            None if view.optional => {}
            None => {
                return Err(format!(
                    "references non-existent {} key: {}",
                    view.key_noun, item.key
                ));
            }
        }
    }
    Ok(files)
}

fn mode(mode: Option<i32>, default: u32) -> u32 {
    mode.and_then(|mode| u32::try_from(mode).ok())
        .unwrap_or(default)
        & 0o777
}

fn config_map(object: &core::ConfigMap) -> BTreeMap<String, Vec<u8>> {
    let text = object
        .data
        .iter()
        .flatten()
        .map(|(key, text)| (key.clone(), text.clone().into_bytes()));
    let binary = object
        .binary_data
        .iter()
        .flatten()
        .map(|(key, bytes)| (key.clone(), bytes.0.clone()));
    text.chain(binary).collect()
}

fn secret(object: &core::Secret) -> BTreeMap<String, Vec<u8>> {
    object
        .data
        .iter()
        .flatten()
        .map(|(key, bytes)| (key.clone(), bytes.0.clone()))
        .collect()
}
