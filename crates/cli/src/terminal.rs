//! How is our terminal lent to a command in a Pod, and given back as it was?

use std::io::IsTerminal;

use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::failure::Failure;

/// The terminal while every key goes to the command. It is as it was before when this is dropped, also
/// when we are told to end or break off.
pub(crate) struct Raw {
    before: Termios,
}

impl Raw {
    /// Lends the terminal; `None` if our input is none.
    pub(crate) fn lend() -> Result<Option<Raw>, Failure> {
        if !std::io::stdin().is_terminal() {
            return Ok(None);
        }
        let failed = |errno: rustix::io::Errno| Failure::of("set the terminal", &errno);
        let before = tcgetattr(stdin()).map_err(failed)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Drain, &raw).map_err(failed)?;
        Ok(Some(Raw { before }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        tcsetattr(stdin(), OptionalActions::Drain, &self.before).ok();
    }
}

/// The size of our terminal as a resize message, if we have one.
pub(crate) fn size() -> Option<Vec<u8>> {
    let size = tcgetwinsize(stdout())
        .or_else(|_| tcgetwinsize(stdin()))
        .ok()?;
    let message = serde_json::json!({ "Width": size.ws_col, "Height": size.ws_row });
    Some(message.to_string().into_bytes())
}
