//! Which Pods are here, for those who ask from outside the loop?

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use outrigger_pod::PodUid;

use crate::hands::Hands;

/// The Pods of a node, those included whose life is over and that were not deleted yet.
#[derive(Clone, Default)]
pub(crate) struct Residents {
    all: Arc<RwLock<BTreeMap<PodUid, Arc<Hands>>>>,
}

impl Residents {
    /// The Pod with this uid.
    pub(crate) fn get(&self, uid: &PodUid) -> Option<Arc<Hands>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(uid).cloned()
    }

    /// Takes one up.
    pub(crate) fn insert(&self, hands: Arc<Hands>) {
        self.all
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(hands.uid.clone(), hands);
    }

    /// Lets one go.
    pub(crate) fn remove(&self, uid: &PodUid) {
        self.all
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(uid);
    }
}
