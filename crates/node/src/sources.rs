//! Which ConfigMaps and Secrets does a Pod name, and has one of them changed?

use k8s_openapi::api::core::v1 as core;
use outrigger_pod::{Objects, Pod};

/// Whether a ConfigMap or Secret that `pod` names is another one in `new` than in `old`.
pub(crate) fn changed(pod: &Pod, old: &Objects, new: &Objects) -> bool {
    let key = |name: &str| (pod.namespace.clone(), name.to_owned());
    named(pod).into_iter().any(|(is_secret, name)| {
        let key = key(name);
        match is_secret {
            false => old.config_maps.get(&key) != new.config_maps.get(&key),
            true => old.secrets.get(&key) != new.secrets.get(&key),
        }
    })
}

/// All that it names, in volumes and environments: whether it is a Secret, and the name.
fn named(pod: &Pod) -> Vec<(bool, &str)> {
    let spec = pod.manifest.spec.as_ref();
    let volumes = spec.and_then(|spec| spec.volumes.as_ref());
    let mut named = Vec::new();
    for volume in volumes.into_iter().flatten() {
        let secret = volume.secret.as_ref();
        named.extend(volume.config_map.iter().map(|it| (false, &*it.name)));
        named.extend(secret.and_then(|it| Some((true, it.secret_name.as_deref()?))));
    }
    for container in &pod.containers {
        for from in container.spec.env_from.iter().flatten() {
            named.extend(from.config_map_ref.iter().map(|it| (false, &*it.name)));
            named.extend(from.secret_ref.iter().map(|it| (true, &*it.name)));
        }
        let variables = container.spec.env.iter().flatten();
        named.extend(variables.filter_map(|variable| of_variable(variable.value_from.as_ref()?)));
    }
    named
}

fn of_variable(source: &core::EnvVarSource) -> Option<(bool, &str)> {
    let config_map = source.config_map_key_ref.as_ref();
    let secret = source.secret_key_ref.as_ref();
    config_map
        .map(|it| (false, &*it.name))
        .or_else(|| secret.map(|it| (true, &*it.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: &str) -> Pod {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: p, namespace: shop, uid: u }}\nspec:\n  {spec}"
        );
        let file = outrigger_pod::manifest::SourceFile {
            name: "p.yaml".to_owned(),
            text,
        };
        let mut read = outrigger_pod::manifest::read(&[file], &mut String::new).unwrap();
        read.pods.remove(0)
    }

    fn objects(namespace: &str, name: &str) -> Objects {
        let mut objects = Objects::default();
        let key = (namespace.to_owned(), name.to_owned());
        objects
            .config_maps
            .insert(key.clone(), core::ConfigMap::default());
        objects.secrets.insert(key, core::Secret::default());
        objects
    }

    #[test]
    fn only_what_the_pod_names_in_its_own_namespace_counts() {
        let none = Objects::default();
        for place in [
            "containers: [{ name: a, image: i, envFrom: [{ configMapRef: { name: x } }] }]",
            "containers: [{ name: a, image: i, envFrom: [{ secretRef: { name: x } }] }]",
            "containers: [{ name: a, image: i, env: [{ name: V, valueFrom: { configMapKeyRef: { name: x, key: k } } }] }]",
            "containers: [{ name: a, image: i, env: [{ name: V, valueFrom: { secretKeyRef: { name: x, key: k } } }] }]",
            "initContainers: [{ name: b, image: i, envFrom: [{ secretRef: { name: x } }] }]\n  containers: [{ name: a, image: i }]",
            "volumes: [{ name: v, configMap: { name: x } }]\n  containers: [{ name: a, image: i }]",
            "volumes: [{ name: v, secret: { secretName: x } }]\n  containers: [{ name: a, image: i }]",
        ] {
            let pod = pod(place);
            assert!(changed(&pod, &none, &objects("shop", "x")), "{place}");
            assert!(changed(&pod, &objects("shop", "x"), &none), "{place}");
            assert!(!changed(&pod, &none, &objects("shop", "y")), "{place}");
            assert!(!changed(&pod, &none, &objects("bank", "x")), "{place}");
            let same = (objects("shop", "x"), objects("shop", "x"));
            assert!(!changed(&pod, &same.0, &same.1), "{place}");
        }
    }
}
