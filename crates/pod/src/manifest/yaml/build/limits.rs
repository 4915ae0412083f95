//! Has a document become too large? Aliases make a short one long, by values and by bytes.

use super::Builder;
use crate::manifest::{Place, Problem};

const MAX_DEPTH: usize = 64;
/// Values that aliases have made must not be more than this many bytes of text.
const MAX_MADE_BYTES: usize = 2 << 20;

impl Builder<'_> {
    pub(super) fn count(
        &mut self,
        size: usize,
        depth: usize,
        place: Place,
    ) -> Result<(), Box<Problem>> {
        self.values = self.values.saturating_add(size);
        let most = self.most_values;
        if self.values > most {
            return Err(self.problem(
                format!("the document has more than {most} values, those made by aliases included"),
                place,
            ));
        }
        if self.open.len() + depth > MAX_DEPTH {
            return Err(self.problem(
                format!("the document is nested more than {MAX_DEPTH} levels deep"),
                place,
            ));
        }
        Ok(())
    }

    pub(super) fn count_made(&mut self, bytes: usize, place: Place) -> Result<(), Box<Problem>> {
        self.made_bytes = self.made_bytes.saturating_add(bytes);
        if self.made_bytes > MAX_MADE_BYTES {
            let message = "what aliases stand for is longer than 2 MiB together".to_owned();
            return Err(self.problem(message, place));
        }
        Ok(())
    }
}
