//! How is memory given back to the machine?

/// Gives the allocator's free pages back. Cheap when there is little to give; for a process that
/// goes idle after a burst.
pub fn trim() {
    // SAFETY: malloc_trim only releases memory that the allocator itself holds as free.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
}
