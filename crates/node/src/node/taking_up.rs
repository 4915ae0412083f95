//! How does a node go on with the lives that an earlier one began? Everything that was open is asked
//! for again, which does no harm where it was done, and then it plans as always.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_lifecycle::{
    Exit, ExitReason, Fact, HookKind, Life as Stage, Sandbox, Step, open_steps,
};
use outrigger_pod::{HookAction, Pod, PodUid, Slot};
use tokio::task::JoinSet;

use crate::adopt::{self, Found, Known, Missed, Reach, Recall};
use crate::clock::now;
use crate::directories::PodDirectories;
use crate::node::life::Life;
use crate::node::{Node, Observer, Remark, complain};
use crate::shim::Shim;
use crate::{ends, sweep};

/// The Pods of an earlier node.
#[derive(Debug)]
pub struct Adopted {
    /// Those that go on.
    pub pods: Vec<Arc<Pod>>,
    /// Those that may run and cannot be taken up now, and why: nothing must be done to them.
    pub left: BTreeMap<PodUid, String>,
}

impl Node {
    /// Takes up all lives that are recorded below `--root`, and gives their Pods. A record that is
    /// damaged is put aside as `*.damaged`.
    ///
    /// # Errors
    /// If nobody can say which Pods run.
    pub async fn adopt(&mut self) -> Result<Adopted, String> {
        let mut recalls = JoinSet::new();
        // A task that breaks off has left its Pod as it was.
        let mut left = BTreeMap::new();
        adopt::tidy(&self.around.settings.directories.root);
        for path in adopt::records(&self.around.settings.directories.root)? {
            let uid = path.file_stem().and_then(|uid| uid.to_str());
            let uid = PodUid(uid.unwrap_or_default().to_owned());
            let around = Arc::clone(&self.around);
            let complain = complain(self.sender.clone(), &uid);
            let recall = adopt::recall(path, around, self.sender.clone(), complain);
            left.insert(uid.clone(), "the search for it broke off".to_owned());
            recalls.spawn(async move { (uid, recall.await) });
        }
        let mut pods = Vec::new();
        while let Some(recalled) = recalls.join_next().await {
            let Ok((uid, recall)) = recalled else {
                continue;
            };
            match recall {
                Recall::Known(known) => pods.push(self.take_up(*known)),
                Recall::Nothing => {}
                Recall::Left(problem) => {
                    left.insert(uid, problem);
                    continue;
                }
            }
            left.remove(&uid);
        }
        Ok(Adopted { pods, left })
    }

    /// Removes, in the background, what Pods left of whom there is no record and that are not among
    /// `wanted`. It comes after [`Node::adopt`].
    ///
    /// # Errors
    /// If nobody can say which Pods have a record.
    pub(crate) fn sweep(&self, wanted: BTreeSet<String>) -> Result<(), String> {
        let mut known = wanted;
        let records = adopt::records(&self.around.settings.directories.root)?;
        let recorded = records.iter().filter_map(|path| path.file_stem()?.to_str());
        known.extend(recorded.map(str::to_owned));
        let around = Arc::clone(&self.around);
        // Who is accepted from here on takes its lock before it has anything.
        let here = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let directories = &around.settings.directories;
            let end = |uid: &PodUid, dirs: &PodDirectories| {
                here.block_on(adopt::quarantine::end(uid, dirs, &around))
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

    fn take_up(&mut self, known: Known) -> Arc<Pod> {
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
            None => {}
            Some(Reach::Silent) => {
                let text = "the pod's shim does not answer; it is left as it is until it does";
                self.remark(observer, Remark::Warning(text.to_owned()));
                self.held = true;
                tokio::spawn(adopt::reach_at_last(Arc::clone(&self.hands)));
                return self.turn(observer);
            }
            Some(Reach::Found(found)) => containers = self.catch_up(observer, *found),
            Some(Reach::Lost(unheard)) => self.lose(observer, unheard),
            Some(Reach::Stranger(problem, unheard)) => {
                let text = format!("the pod's shim was killed: {problem}");
                self.remark(observer, Remark::Error(text));
                self.lose(observer, unheard);
            }
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
        self.end_unknown(&shim, &containers);
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

    /// Ends containers that the record does not know, which only a disk that was full can have kept from
    /// it: as far as anybody can tell they were never started, and what they are will be.
    fn end_unknown(&self, shim: &Arc<Shim>, containers: &[String]) {
        let known = self.hands.instances.lock();
        let known = known.unwrap_or_else(std::sync::PoisonError::into_inner);
        for id in containers.iter().filter(|id| known.by_id(id).is_none()) {
            let text = format!("a container that was not recorded is killed: {id}");
            self.hands.warn(text);
            let (hands, shim, id) = (Arc::clone(&self.hands), Arc::clone(shim), id.clone());
            tokio::spawn(ends::end_unknown(hands, shim, id));
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
