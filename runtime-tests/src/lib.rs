//! The ground that root tests stand on.
