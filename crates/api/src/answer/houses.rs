//! What becomes of a namespace that is being deleted? Its Pods end first, then everything else in it
//! goes, and then the namespace.

use super::change::has_finalizers;
use super::create::{is_ending, namespace_key};
use super::{Desk, is_from_file, missing};
use crate::route::DeleteOptions;
use crate::store::{Change, Key, Write};
use crate::{Failure, Resource};

/// What goes with a namespace, after its Pods.
const CONTENT: [Resource; 4] = [
    Resource::ConfigMaps,
    Resource::Secrets,
    Resource::ServiceAccounts,
    Resource::Events,
];

impl Desk {
    /// Whether a namespace may end at all.
    pub(super) fn check_namespace_end(&self, key: &Key) -> Result<(), Failure> {
        self.find(key)?;
        let plural = key.resource.plural();
        if key.name == "default" {
            let why = "this namespace may not be deleted";
            return Err(Failure::forbidden(plural, &key.name, why));
        }
        let of_files = [Resource::Pods, Resource::ConfigMaps, Resource::Secrets];
        let mut content = of_files
            .into_iter()
            .flat_map(|resource| self.store.list(resource, Some(&key.name)).items);
        match content.find(|stored| is_from_file(&stored.object)) {
            Some(stored) => {
                let why = format!(
                    "the {} {:?} in it comes from a file in the folder of manifests; remove that file first",
                    stored.key.resource.kind(),
                    stored.key.name
                );
                Err(Failure::forbidden(plural, &key.name, &why))
            }
            None => Ok(()),
        }
    }

    /// Deletes what is left in a namespace that is ending, and the namespace itself once that is nothing.
    pub(super) fn empty_namespace(&self, namespace: &str) -> Result<(), Failure> {
        let key = namespace_key(namespace);
        let known = self.store.get(&key);
        if known.is_some_and(|stored| !is_ending(&stored.object)) {
            return Ok(());
        }
        let pods = self.store.list(Resource::Pods, Some(namespace));
        self.delete_each(pods.items.into_iter().map(|pod| pod.key))?;
        if !self
            .store
            .list(Resource::Pods, Some(namespace))
            .items
            .is_empty()
        {
            return Ok(());
        }
        for resource in CONTENT {
            let objects = self.store.list(resource, Some(namespace));
            self.delete_each(objects.items.into_iter().map(|object| object.key))?;
            if !self.store.list(resource, Some(namespace)).items.is_empty() {
                return Ok(());
            }
        }
        self.store.write(&key, |old| {
            Ok::<Write, Failure>(match old {
                Some(old) if is_ending(&old.object) && !has_finalizers(&old.object) => {
                    Write::Remove
                }
                _ => Write::Keep,
            })
        })?;
        Ok(())
    }

    fn delete_each(&self, keys: impl Iterator<Item = Key>) -> Result<(), Failure> {
        for key in keys {
            let missing = missing(&key);
            match self.delete(&key, &DeleteOptions::default()) {
                Ok(_) => {}
                // It went by itself.
                Err(failure) if failure == missing => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Goes on with all namespaces that are ending.
    fn empty_namespaces(&self) {
        for namespace in self.store.list(Resource::Namespaces, None).items {
            if is_ending(&namespace.object)
                && let Err(failure) = self.empty_namespace(&namespace.key.name)
            {
                tracing::warn!(
                    namespace = namespace.key.name,
                    failure.message,
                    "a namespace could not be emptied"
                );
            }
        }
    }
}

/// Goes on with namespaces that are ending whenever a Pod is gone.
pub(super) async fn keep(desk: Desk) {
    // A daemon before this one may have been killed between opening the node and this.
    let waiting = desk.clone();
    match tokio::task::spawn_blocking(move || waiting.place_waiting()).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => tracing::warn!(failure.message, "pods that wait were not placed"),
        Err(error) => tracing::warn!(%error, "pods that wait were not placed"),
    }
    loop {
        let Ok(mut watch) = desk.store.watch(Resource::Pods, 0) else {
            // The present is never too old.
            return;
        };
        loop {
            let now = desk.clone();
            let emptied = tokio::task::spawn_blocking(move || now.empty_namespaces());
            if let Err(error) = emptied.await {
                tracing::warn!(%error, "namespaces could not be emptied");
            }
            // A reader that was too slow looks at everything again.
            let is_behind = loop {
                match watch.next().await {
                    None => break true,
                    Some(notice) if notice.change == Change::Deleted => break false,
                    Some(_) => {}
                }
            };
            if is_behind {
                break;
            }
        }
    }
}
