//! What has happened to an object, as `describe` ends.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::lines::{Lines, text as plain};
use crate::print::ago;
use crate::print::columns::{Columns, cell};

/// The section of Events, the oldest first.
pub(crate) fn events(mut events: Vec<Value>, now: Timestamp, lines: &mut Lines) {
    if events.is_empty() {
        lines.pair(0, "Events", "<none>");
        return;
    }
    lines.plain(0, "Events:");
    events.sort_by_key(ago::order);
    let row = |cells: [&str; 5]| {
        let mut cells: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
        cells[0] = format!("  {}", cells[0]);
        cells
    };
    let mut rows = vec![
        row(["Type", "Reason", "Age", "From", "Message"]),
        row(["----", "------", "----", "----", "-------"]),
    ];
    for event in &events {
        let source = match plain(&event["source"]["component"]) {
            none if none.is_empty() => plain(&event["reportingComponent"]),
            source => source,
        };
        rows.push(row([
            &cell(&event["type"]),
            &cell(&event["reason"]),
            &ago::event(event, now),
            &source,
            &cell(&plain(&event["message"]).trim().into()),
        ]));
    }
    for line in Columns::with_gap(2).rows(&rows).lines() {
        lines.plain(0, line);
    }
}
