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

/// Unmaps this program's code and constants; what is needed again comes back page by page from the
/// page cache, without reading. For a process that goes idle: what it touched to get there does not
/// count as its memory any longer.
pub fn forget_code() {
    // Both symbols are the linker's, in every ELF program; only their addresses are taken.
    let (begin, end) = (&raw const __executable_start, &raw const etext);
    let first = (begin as usize).next_multiple_of(LARGEST_PAGE);
    let length = (end as usize / LARGEST_PAGE * LARGEST_PAGE).saturating_sub(first);
    // SAFETY: the linker puts only what is never written between these symbols, so every page there
    // is one of the program's file, and a page that is taken away comes back the same. The call can
    // fail only by doing nothing.
    unsafe { libc::madvise(first as *mut libc::c_void, length, libc::MADV_DONTNEED) };
}

/// No machine that is supported has larger pages.
const LARGEST_PAGE: usize = 64 * 1024;

unsafe extern "C" {
    static __executable_start: u8;
    static etext: u8;
}

#[cfg(test)]
mod tests {
    use super::forget_code;

    #[test]
    fn what_was_forgotten_comes_back() {
        let text = ["a constant", "another"];
        forget_code();
        assert_eq!(text.concat(), "a constantanother");
        assert!(std::fs::read("/proc/self/maps").is_ok());
    }
}
