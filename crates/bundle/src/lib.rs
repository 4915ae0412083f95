//! What one container of a Pod looks like to the kernel: the OCI runtime config.
