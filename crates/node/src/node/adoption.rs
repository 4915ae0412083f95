//! Which lives of an earlier node are taken up, and in which order? All at once; one after the other if a start has
//! died before it had taken up all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use outrigger_pod::{Pod, PodUid};
use tokio::task::JoinSet;

use crate::adopt::{self, Left, Lived, Recall, discard};
use crate::directories::PodDirectories;
use crate::hands::{blocking, nothing_in_hand};
use crate::node::waiting::{UNDER_WAY, Waiting};
use crate::node::{Node, complain};
use crate::sweep;

/// The Pods of an earlier node.
#[derive(Debug)]
pub struct Adopted {
    /// Those that go on.
    pub pods: Vec<Arc<Pod>>,
    /// Those that may run and cannot be taken up now, and why: nothing must be done to them.
    pub left: BTreeMap<PodUid, Left>,
}

impl Node {
    /// Takes up all lives of an earlier node: those that are recorded below `--root`, and those of `others`, whose
    /// records may be missing, each with what else is known of it. If the start before died before it had
    /// taken up all, one after the other.
    ///
    /// # Errors
    /// If nobody can say which Pods run.
    pub async fn adopt(&mut self, others: BTreeMap<PodUid, Lived>) -> Result<Adopted, String> {
        let root = self.around.settings.directories.root.clone();
        adopt::tidy(&root);
        let recorded = adopt::recorded(&root)?;
        let withheld = self.progress.withheld();
        let mut all = recorded;
        all.extend(others.keys().cloned());
        self.lived = others;
        all.retain(|uid| !withheld.contains_key(uid));
        let mut adopted = Adopted {
            pods: Vec::new(),
            left: withheld,
        };
        if !all.is_empty() || !adopted.left.is_empty() {
            let progress = self.progress.clone();
            blocking(move || progress.started()).await?;
        }
        match self.progress.is_singly() {
            true => self.adopt_singly(all, &mut adopted).await?,
            false => self.adopt_together(all, &mut adopted).await,
        }
        for (uid, left) in &adopted.left {
            tracing::error!(pod = %uid, "a pod is not taken up, and left as it is: {}", left.problem);
            let waiting = Waiting::new(left.clone());
            self.waiting.insert(uid.clone(), waiting);
        }
        Ok(adopted)
    }

    async fn adopt_together(&mut self, all: BTreeSet<PodUid>, adopted: &mut Adopted) {
        let mut recalls = JoinSet::new();
        // A task that breaks off has left its Pod as it was.
        let mut open = BTreeSet::new();
        for uid in all {
            let recall = self.recall(&uid);
            open.insert(uid.clone());
            recalls.spawn(async move { (uid, recall.await) });
        }
        while let Some(recalled) = recalls.join_next().await {
            if let Ok((uid, recall)) = recalled {
                open.remove(&uid);
                self.take_in(uid, recall, adopted);
            }
        }
        for uid in open {
            let left = Left::for_long("the search for it broke off".to_owned());
            adopted.left.insert(uid, left);
        }
    }

    /// The disk is told of each before it is touched.
    async fn adopt_singly(
        &mut self,
        all: BTreeSet<PodUid>,
        adopted: &mut Adopted,
    ) -> Result<(), String> {
        tracing::warn!(
            pods = all.len(),
            "the daemon died before it had taken up all pods: they are taken up one after the other"
        );
        for uid in all {
            self.mark_alone(&uid).await?;
            let recall = self.recall(&uid).await;
            self.take_in(uid.clone(), recall, adopted);
            self.mark_survived(uid).await?;
        }
        Ok(())
    }

    /// Looks for what is known of this Pod. It borrows nothing.
    pub(super) fn recall(&self, uid: &PodUid) -> impl Future<Output = Recall> + Send + 'static {
        let (around, sender) = (Arc::clone(&self.around), self.sender.clone());
        let complain = complain(self.sender.clone(), uid);
        let lived = self.lived.get(uid).copied().unwrap_or_default();
        let uid = uid.clone();
        async move { adopt::recall(&uid, lived, around, sender, complain).await }
    }

    /// Whether Pods are taken up one after the other.
    pub(crate) fn takes_up_singly(&self) -> bool {
        self.progress.is_singly()
    }

    /// Begins something with this Pod and no other, and goes on until it has been carried out.
    ///
    /// # Errors
    /// If it cannot be noted.
    pub(crate) async fn alone(&mut self, uid: &PodUid, begin: impl FnOnce()) -> Result<(), String> {
        self.mark_alone(uid).await?;
        begin();
        self.mark_survived(uid.clone()).await
    }

    async fn mark_alone(&self, uid: &PodUid) -> Result<(), String> {
        let (progress, uid) = (self.progress.clone(), uid.clone());
        blocking(move || progress.alone(&uid)).await
    }

    async fn mark_survived(&mut self, uid: PodUid) -> Result<(), String> {
        self.carried_out().await;
        let progress = self.progress.clone();
        blocking(move || progress.survived(&uid)).await
    }

    fn take_in(&mut self, uid: PodUid, recall: Recall, adopted: &mut Adopted) {
        match recall {
            Recall::Known(known) => adopted.pods.push(self.take_up(*known)),
            Recall::Nothing => {}
            Recall::Left(left) => drop(adopted.left.insert(uid, left)),
        }
    }

    /// Goes on until what a Pod that was taken up had open has been carried out, as far as it is this node's work.
    async fn carried_out(&mut self) {
        let done = tokio::time::timeout(UNDER_WAY, nothing_in_hand());
        let mut done = std::pin::pin!(done);
        loop {
            tokio::select! {
                biased;
                () = self.step() => {}
                _ = &mut done => return,
            }
        }
    }

    /// Notes, as soon as it is so, that all Pods have been taken up and what they had open has been carried out.
    pub(crate) fn adopted(&self) {
        let progress = self.progress.clone();
        tokio::spawn(async move {
            tokio::time::timeout(UNDER_WAY, nothing_in_hand())
                .await
                .ok();
            if let Err(problem) = blocking(move || progress.over()).await {
                tracing::error!("{problem}");
            }
        });
    }

    /// Notes that this node ends because it was told to.
    pub(super) async fn ends_well(&self) {
        let progress = self.progress.clone();
        if let Err(problem) = blocking(move || progress.ended()).await {
            tracing::error!("{problem}");
        }
    }

    /// Removes, in the background, what Pods left of whom there is no record and that are not among
    /// `wanted`. It comes after [`Node::adopt`].
    ///
    /// # Errors
    /// If nobody can say which Pods have a record.
    pub(crate) fn sweep(&self, wanted: BTreeSet<String>) -> Result<(), String> {
        let mut known = wanted;
        let recorded = adopt::recorded(&self.around.settings.directories.root)?;
        known.extend(recorded.into_iter().map(|uid| uid.0));
        known.extend(self.waiting.keys().map(|uid| uid.0.clone()));
        let around = Arc::clone(&self.around);
        // Who is accepted from here on takes its lock before it has anything.
        let here = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let directories = &around.settings.directories;
            let end = |uid: &PodUid, dirs: &PodDirectories| {
                here.block_on(discard::end(uid, dirs, Duration::ZERO, &around))
            };
            for (pod, left) in sweep::sweep_unknown(directories, &around.images, &known, end) {
                match left.is_empty() {
                    true => tracing::info!(%pod, "removed what a pod had left that nobody knows"),
                    false => tracing::error!(%pod, left = %left.join("; "), "left behind"),
                }
            }
        });
        Ok(())
    }
}
