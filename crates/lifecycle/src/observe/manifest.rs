//! What does a newer manifest change of what is known, and a resize that it asked for?

use outrigger_pod::{Pod, Slot};

use crate::{Definition, History, Seen, Time};

impl Seen {
    pub(super) fn end_resize(
        &mut self,
        slot: Slot,
        attempt: u32,
        at: Time,
        result: &Result<(), String>,
    ) {
        let Some(resizing) = self
            .instance(slot, attempt)
            .and_then(|instance| instance.resize.as_mut())
        else {
            return;
        };
        match result {
            Err(message) => resizing.failed = Some((at, message.clone())),
            Ok(()) => {
                let sizes = resizing.to;
                if let Some(history) = self.containers.get_mut(slot.0) {
                    if let Some(definition) = &mut history.definition {
                        definition.sizes = sizes;
                    }
                    if let Some(instance) = &mut history.current {
                        instance.resize = None;
                    }
                }
            }
        }
    }

    /// Makes room for containers that were added. Those whose definition was changed lose their
    /// back-off, and a creation that failed for want of the image is tried again at once.
    pub(super) fn update(&mut self, pod: &Pod) {
        self.containers.resize_with(
            pod.containers.len().max(self.containers.len()),
            History::default,
        );
        for (history, container) in self.containers.iter_mut().zip(&pod.containers) {
            let now = Definition::of(container);
            let Some(was) = history.definition.as_ref().filter(|was| **was != now) else {
                continue;
            };
            if was.image != now.image {
                history.failure = None;
            }
            history.back_off = None;
        }
    }
}
