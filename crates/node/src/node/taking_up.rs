//! How does a node go on with the lives that an earlier one began? Everything that was open is asked
//! for again, which does no harm where it was done, and then it plans as always.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use outrigger_lifecycle::{
    Exit, ExitReason, Fact, HookKind, Life as Stage, Sandbox, Step, open_steps,
};
use outrigger_pod::{HookAction, Pod, PodUid, Slot};
use tokio::task::JoinSet;

use crate::adopt::{self, Found, Known, Left, Missed, Reach, Recall, discard};
use crate::clock::now;
use crate::directories::PodDirectories;
use crate::hands::{blocking, nothing_in_hand};
use crate::node::life::Life;
use crate::node::waiting::{UNDER_WAY, Waiting};
use crate::node::{Node, Observer, Remark, complain};
use crate::{ends, sweep};

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
    /// records may be missing, each with whether it is known to have lived. If the start before died before it had
    /// taken up all, one after the other.
    ///
    /// # Errors
    /// If nobody can say which Pods run.
    pub async fn adopt(&mut self, others: BTreeMap<PodUid, bool>) -> Result<Adopted, String> {
        let root = self.around.settings.directories.root.clone();
        adopt::tidy(&root);
        let recorded = adopt::recorded(&root)?;
        let withheld = self.progress.withheld();
        let mut all = recorded;
        all.extend(others.keys().cloned());
        let lived = others.into_iter().filter(|(_, lived)| *lived);
        self.lived = lived.map(|(uid, _)| uid).collect();
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
        let (lived, uid) = (self.lived.contains(uid), uid.clone());
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

    pub(super) fn take_up(&mut self, known: Known) -> Arc<Pod> {
        let Known {
            hands,
            seen,
            conditions,
            wall,
            reach,
            this_boot,
        } = known;
        let over = matches!(seen.sandbox, Sandbox::Released { .. });
        let mut life = Life::new(hands, seen, conditions, wall);
        let observer = &mut *self.observer;
        if !this_boot {
            life.rewrite_record();
        }
        if !over {
            life.observe(observer, (now(), None), &Fact::NodeRestarted);
        }
        life.go_on(observer, reach);
        let pod = Arc::clone(&life.pod);
        self.insert(life);
        pod
    }

    /// A shim that was silent has been reached, or is gone.
    pub(super) fn reached(&mut self, uid: &PodUid, reach: Reach) {
        if let Reach::Stranger(problem) = reach {
            return self.leave(uid.clone(), Left::for_long(problem));
        }
        if let Some(life) = self.lives.get_mut(uid) {
            life.held = false;
            life.go_on(&mut *self.observer, Some(reach));
        }
    }
}

impl Life {
    /// Goes on from what became of the search for the shim.
    fn go_on(&mut self, observer: &mut dyn Observer, reach: Option<Reach>) {
        let mut containers = Vec::new();
        match reach {
            // Such a Pod is not taken up.
            None | Some(Reach::Stranger(_)) => {}
            Some(Reach::Silent) => {
                let text = "the pod's shim does not answer; it is left as it is until it does";
                self.remark(observer, Remark::Warning(text.to_owned()));
                self.held = true;
                tokio::spawn(adopt::reach_at_last(Arc::clone(&self.hands)));
                return self.turn(observer);
            }
            Some(Reach::Found(found)) => containers = self.catch_up(observer, *found),
            Some(Reach::Lost(unheard)) => self.lose(observer, unheard),
        }
        self.clear_ended(&containers);
        for step in open_steps(&self.pod, &self.seen) {
            self.perform_again(&step, &containers);
        }
        self.turn(observer);
    }

    /// Takes in what the shim saw while there was no node; gives the containers that it has.
    fn catch_up(&mut self, observer: &mut dyn Observer, found: Found) -> Vec<String> {
        let Found {
            shim,
            containers,
            missed,
            events,
        } = found;
        self.hands.set_shim(Some(Arc::clone(&shim)));
        self.hear(observer, missed);
        self.miss(observer, &containers);
        tokio::spawn(ends::follow(Arc::clone(&self.hands), shim, events));
        self.hands.refresh_volumes();
        containers
    }

    fn hear(&mut self, observer: &mut dyn Observer, missed: Vec<Missed>) {
        for (seq, at, fact) in missed {
            let now = now();
            let at = at.map_or(now, |at| at.min(now));
            self.observe(observer, (at, Some(seq)), &fact);
        }
    }

    /// An instance that ran and that its shim does not have has ended, and nobody can tell how: what the
    /// shim knew of it has been lost.
    fn miss(&mut self, observer: &mut dyn Observer, containers: &[String]) {
        for (slot, _) in Arc::clone(&self.pod).slots() {
            let Some(current) = &self.seen.history(slot).current else {
                continue;
            };
            let (attempt, runs) = (
                current.attempt,
                matches!(current.life, Stage::Running { .. }),
            );
            let known = self.hands.instance(slot, attempt);
            let has = |(id, _): (String, _)| containers.contains(&id);
            if runs && !known.is_some_and(has) {
                let exit = Exit {
                    at: now(),
                    code: 137,
                    reason: ExitReason::ContainerStatusUnknown,
                    message: "The container could not be located when the daemon was restarted"
                        .to_owned(),
                };
                let gone = Fact::Exited {
                    slot,
                    attempt,
                    exit,
                };
                self.observe(observer, (now(), None), &gone);
            }
        }
    }

    /// Clears away what instances left that were lost with their sandbox.
    pub(super) fn clear_lost(&self) {
        self.clear_ended(&[]);
    }

    fn lose(&mut self, observer: &mut dyn Observer, unheard: Vec<Missed>) {
        self.hear(observer, unheard);
        // Without its directory there is nothing left that another shim could take over.
        if self.hands.dirs.state.is_dir() {
            self.hands.lose_shim();
        }
        self.observe(observer, (now(), None), &Fact::SandboxLost);
    }

    /// Clears away instances that ended before somebody could.
    fn clear_ended(&self, containers: &[String]) {
        let instances = {
            let known = self.hands.instances.lock();
            let known = known.unwrap_or_else(std::sync::PoisonError::into_inner);
            let all = known.entries();
            all.map(|(slot, attempt, instance)| (slot, attempt, containers.contains(&instance.id)))
                .collect::<Vec<(Slot, u32, bool)>>()
        };
        for (slot, attempt, held) in instances {
            let current = self.seen.history(slot).current.as_ref();
            let lives =
                current.is_some_and(|current| current.attempt == attempt && current.is_live());
            if lives {
                self.note_run(slot, attempt, held);
            } else if attempt < self.seen.history(slot).next_attempt {
                // One that could not be created gives its number to the next, which clears away itself.
                self.hands.clear_leftovers(slot, attempt, held);
            }
        }
    }

    /// Carries a step out again that may have been carried out, in part or whole.
    fn perform_again(&self, step: &Step, containers: &[String]) {
        match *step {
            Step::Start { slot, attempt } => {
                let known = self.hands.instance(slot, attempt);
                let started = known.is_some_and(|(id, _)| containers.contains(&id));
                if !started {
                    self.hands.perform(step, &self.seen);
                }
            }
            Step::RunHook {
                slot,
                attempt,
                hook,
            } => self.run_hook_again(slot, attempt, hook),
            _ => self.hands.perform(step, &self.seen),
        }
    }

    /// A command is joined, a sleep goes on, and a request is made again after the start of a
    /// container (at least once, as Kubernetes promises) and not before its end (at most once).
    fn run_hook_again(&self, slot: Slot, attempt: u32, hook: HookKind) {
        let current = self.seen.history(slot).current.as_ref();
        let began = current.and_then(|instance| instance.hook_began(hook));
        let asks = matches!(
            self.pod[slot].lifecycle.pre_stop,
            Some(HookAction::HttpGet(_))
        );
        if hook == HookKind::PreStop && asks {
            let result = Err("the node was restarted while it ran".to_owned());
            self.hands.report(Fact::HookEnded {
                slot,
                attempt,
                hook,
                result,
            });
        } else if current.is_some_and(|instance| !matches!(instance.life, Stage::Exited { .. })) {
            self.hands.run_hook(slot, attempt, hook, began);
        }
    }
}
