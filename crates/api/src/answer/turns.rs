//! Who may work at a request right now? Reading a body takes many times its size in memory, and it takes time, so this
//! is done beside the thread that answers everybody, by a few at once, and by one alone where the body is long.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Desk;
use crate::{Answer, Failure, Reason};

/// From here on a body is long.
const LONG_BYTES: usize = 32 * 1024;
/// So many short bodies are worked at at once.
const SHORT_TURNS: usize = 4;

/// The turns that are to be had.
#[derive(Debug)]
pub(super) struct Turns {
    short: Arc<Semaphore>,
    long: Arc<Semaphore>,
    /// For long lists of what is kept.
    lists: Arc<Semaphore>,
}

impl Turns {
    pub(super) fn new() -> Turns {
        Turns {
            short: Arc::new(Semaphore::new(SHORT_TURNS)),
            long: Arc::new(Semaphore::new(1)),
            lists: Arc::new(Semaphore::new(1)),
        }
    }

    /// Works at a body, beside the thread that answers.
    pub(super) async fn at_body(
        &self,
        desk: &Desk,
        body: &[u8],
        work: impl FnOnce(&Desk, &[u8]) -> Result<Answer, Failure> + Send + 'static,
    ) -> Result<Answer, Failure> {
        let turns = if body.len() < LONG_BYTES {
            &self.short
        } else {
            &self.long
        };
        let turn = Arc::clone(turns).acquire_owned().await.map_err(broken)?;
        // Only now: those who wait need no copy.
        let body = body.to_vec();
        beside(desk, turn, move |desk| {
            let plain = crate::protobuf::as_json(&body)?;
            work(desk, plain.as_deref().unwrap_or(&body))
        })
        .await
    }

    /// Makes a long list.
    pub(super) async fn at_list(
        &self,
        desk: &Desk,
        work: impl FnOnce(&Desk) -> Result<Answer, Failure> + Send + 'static,
    ) -> Result<Answer, Failure> {
        let turn = Arc::clone(&self.lists).acquire_owned().await;
        beside(desk, turn.map_err(broken)?, work).await
    }
}

/// The turn ends with the work, also if nobody waits for its result any more.
async fn beside(
    desk: &Desk,
    turn: OwnedSemaphorePermit,
    work: impl FnOnce(&Desk) -> Result<Answer, Failure> + Send + 'static,
) -> Result<Answer, Failure> {
    let desk = desk.clone();
    let done = tokio::task::spawn_blocking(move || {
        let done = work(&desk);
        drop(turn);
        done
    });
    done.await.unwrap_or_else(|error| Err(broken(error)))
}

fn broken(error: impl std::fmt::Display) -> Failure {
    let message = format!("answering the request: {error}");
    Failure::new(Reason::InternalError, message)
}
