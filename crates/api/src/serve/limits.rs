//! What may a client use, and for how long?

/// What a client may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// For the TLS handshake.
    pub handshake_ms: u64,
    /// From the first byte of a request's head to its last; and for the first request to begin.
    pub head_ms: u64,
    /// The longest head of a request: its first line and its headers.
    pub head_bytes: usize,
    /// For the body of a request.
    pub body_ms: u64,
    /// The longest body of a request.
    pub body_bytes: usize,
    /// Connections at once of clients that have shown a certificate, or came by the unix socket.
    pub connections: usize,
    /// Of these, how many only the unix socket may use.
    pub connections_reserved: usize,
    /// Besides these, connections of clients that have shown none, or none yet. They make room for each other.
    pub strangers: usize,
    /// For the whole request of a client that shows none.
    pub stranger_ms: u64,
    /// Bytes of requests that are being read or carried out, of all remote clients together, and again of all of the
    /// unix socket; one more may come while there is less.
    pub sent_bytes: usize,
    /// Bytes of answers that wait for clients, likewise. From half of it on those who take nothing are
    /// cut off early.
    pub waiting_bytes: usize,
    /// Watches at once.
    pub watchers: usize,
    /// A client that reads nothing for so long is cut off.
    pub stall_ms: u64,
    /// The same for logs, commands and ports, where a person may be thinking.
    pub stall_interactive_ms: u64,
    /// Between two requests.
    pub idle_ms: u64,
    /// For requests under way when the server stops.
    pub drain_ms: u64,
    /// How often the clock looks.
    pub sweep_ms: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            handshake_ms: 10_000,
            head_ms: 10_000,
            head_bytes: 64 * 1024,
            body_ms: 30_000,
            body_bytes: 3 * 1024 * 1024,
            connections: 1_024,
            connections_reserved: 64,
            strangers: 128,
            stranger_ms: 2_000,
            sent_bytes: 32 * 1024 * 1024,
            waiting_bytes: 32 * 1024 * 1024,
            watchers: 1_000,
            stall_ms: 60_000,
            stall_interactive_ms: 4 * 3_600_000,
            idle_ms: 300_000,
            drain_ms: 2_000,
            sweep_ms: 1_000,
        }
    }
}
