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

/// Unmaps the code and constants of this program and its libraries, and the stack that is not in
/// use. What is needed again comes back page by page from the page cache, without reading. For a
/// process that goes idle: what it touched to get there is its memory no longer.
pub fn forget_code() {
    // SAFETY: `forget_object` is a callback of the right type, and looks at its arguments only.
    unsafe { libc::dl_iterate_phdr(Some(forget_object), std::ptr::null_mut()) };
    // Only below the first thread's stack is there surely nothing else.
    if rustix::thread::gettid() == rustix::process::getpid() {
        let here = 0_u8;
        // Some way below, for the frames of what is called from here.
        let top = (&raw const here as usize).saturating_sub(2 * PAGE) / PAGE * PAGE;
        forget(top.saturating_sub(STACK), STACK);
    }
}

/// Where pages are larger the kernel refuses a range that does not fit them, and nothing happens.
const PAGE: usize = 4096;
/// How much of the stack is given back. The kernel keeps more than that free of mappings below the
/// first thread's stack, for it to grow.
const STACK: usize = 512 * 1024;

/// Forgets the segments of a loaded object that are never written.
unsafe extern "C" fn forget_object(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the loader gives a valid object.
    let info = unsafe { &*info };
    // SAFETY: its headers are that many, and stay while it is loaded.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let base = info.dlpi_addr as usize;
    let load = |header: &&libc::Elf64_Phdr| {
        header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0
    };
    for header in headers.iter().filter(load) {
        let begin = base.wrapping_add(header.p_vaddr as usize);
        let first = begin.next_multiple_of(PAGE);
        let end = (begin + header.p_memsz as usize) / PAGE * PAGE;
        forget(first, end.saturating_sub(first));
    }
    0
}

fn forget(first: usize, length: usize) {
    // SAFETY: the range is of segments that are mapped from a file and never written, so that a
    // page that is taken away comes back the same, or of the stack below all frames in use, whose
    // contents nobody expects. Where the call fails it does nothing.
    unsafe { libc::madvise(first as *mut libc::c_void, length, libc::MADV_DONTNEED) };
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
