//! What does Kubernetes fill in for a volume?

use k8s_openapi::api::core::v1 as core;

use super::container::{fill_text, pull_policy};

const FILE_MODE: i32 = 0o644;
const TOKEN_LIFE_S: i64 = 3600;

pub(super) fn fill(volume: &mut core::Volume) {
    let bare = core::Volume {
        name: volume.name.clone(),
        ..Default::default()
    };
    if *volume == bare {
        volume.empty_dir = Some(core::EmptyDirVolumeSource::default());
    }
    if let Some(source) = &mut volume.config_map {
        source.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(source) = &mut volume.secret {
        source.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(source) = &mut volume.downward_api {
        source.default_mode.get_or_insert(FILE_MODE);
        source.items.iter_mut().flatten().for_each(downward);
    }
    if let Some(source) = &mut volume.host_path {
        source.type_.get_or_insert_default();
    }
    if let Some(source) = &mut volume.image {
        let policy = pull_policy(source.reference.as_deref().unwrap_or_default());
        fill_text(&mut source.pull_policy, policy);
    }
    if let Some(source) = &mut volume.projected {
        source.default_mode.get_or_insert(FILE_MODE);
        for part in source.sources.iter_mut().flatten() {
            if let Some(token) = &mut part.service_account_token {
                token.expiration_seconds.get_or_insert(TOKEN_LIFE_S);
            }
            let files = part
                .downward_api
                .iter_mut()
                .filter_map(|api| api.items.as_mut());
            files.flatten().for_each(downward);
        }
    }
}

fn downward(file: &mut core::DownwardAPIVolumeFile) {
    if let Some(field) = &mut file.field_ref {
        fill_text(&mut field.api_version, "v1");
    }
}
