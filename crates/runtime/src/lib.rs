//! The OCI runtime: create, start, exec, kill and delete over a bundle.
