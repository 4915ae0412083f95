//! How is memory given back to the machine?

use rustix::event::{PollFd, Timespec, poll};

/// Gives the allocator's free pages back. Cheap when there is little to give; for a process that
/// goes idle after a burst.
pub fn trim() {
    // SAFETY: malloc_trim only releases memory that the allocator itself holds as free.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
}

/// From now on large pieces of memory go back to the machine as soon as they are free. By itself the allocator keeps
/// ever more of them, up to the largest that it has seen, and [`trim`] reaches what lies last in a thread's arena only
/// if there is more than it means to keep.
pub fn give_back_early() {
    #[cfg(target_env = "gnu")]
    {
        const KEPT_BYTES: libc::c_int = 128 * 1024;
        for parameter in [libc::M_MMAP_THRESHOLD, libc::M_TRIM_THRESHOLD] {
            // SAFETY: mallopt sets a number under the allocator's lock; one that it does not take changes nothing.
            unsafe { libc::mallopt(parameter, KEPT_BYTES) };
        }
    }
}

/// Waits as `poll` does, and before that unmaps the code and constants of this program and its
/// libraries, and the stack that is not in use. What is needed again comes back page by page from
/// the page cache, without reading. For a process that goes idle: what it touched to get there is
/// its memory no longer.
///
/// Both in one function, because whatever runs after the forgetting is mapped again, with what
/// lies around it (the kernel maps 64 KiB at a time).
///
/// # Errors
/// Those of `poll`.
pub fn forget_code_and_poll(
    fds: &mut [PollFd<'_>],
    timeout: Option<&Timespec>,
) -> rustix::io::Result<usize> {
    let mut found = Found::default();
    // SAFETY: `note_object` is a callback of the right type for a `Found`, which lives through the
    // call and is used by nobody else.
    unsafe { libc::dl_iterate_phdr(Some(note_object), (&raw mut found).cast()) };
    found
        .relocated()
        .iter()
        .for_each(|range| forget_clean(*range));
    // Only below the first thread's stack is there surely nothing else.
    if rustix::thread::gettid() == rustix::process::getpid() {
        let here = 0_u8;
        // Some way below, for the frames of what is called from here.
        let top = (&raw const here as usize).saturating_sub(2 * PAGE) / PAGE * PAGE;
        forget((top.saturating_sub(STACK), top));
    }
    // Only now: what is looked at above lies in these.
    for range in found.constant() {
        forget(*range);
    }
    poll(fds, timeout)
}

/// Where pages are larger the kernel refuses a range that does not fit them, and nothing happens.
const PAGE: usize = 4096;
/// How much of the stack is given back. The kernel keeps more than that free of mappings below the
/// first thread's stack, for it to grow.
const STACK: usize = 512 * 1024;
/// How many ranges of a kind are noted; those beyond are kept.
const RANGES: usize = 32;

/// Addresses of whole pages: the first, and the one after the last.
type Range = (usize, usize);

/// What the loaded objects have that is not written any more.
#[derive(Default)]
struct Found {
    constant: ([Range; RANGES], usize),
    relocated: ([Range; RANGES], usize),
}

impl Found {
    /// As they are in their files.
    fn constant(&self) -> &[Range] {
        &self.constant.0[..self.constant.1]
    }

    /// Written by the loader here and there, and then never again.
    fn relocated(&self) -> &[Range] {
        &self.relocated.0[..self.relocated.1]
    }
}

/// Notes the ranges of one loaded object.
unsafe extern "C" fn note_object(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    found: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: `forget_code_and_poll` gives a `Found` that it does not use meanwhile.
    let found = unsafe { &mut *found.cast::<Found>() };
    // SAFETY: the loader gives a valid object.
    let info = unsafe { &*info };
    // SAFETY: its headers are that many, and stay while it is loaded.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    for header in headers {
        let list = match header.p_type {
            libc::PT_LOAD if header.p_flags & libc::PF_W == 0 => &mut found.constant,
            libc::PT_GNU_RELRO => &mut found.relocated,
            _ => continue,
        };
        let begin = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
        let end = (begin + header.p_memsz as usize) / PAGE * PAGE;
        if let Some(place) = list.0.get_mut(list.1) {
            *place = (begin.next_multiple_of(PAGE), end);
            list.1 += 1;
        }
    }
    0
}

/// Forgets those pages of a range that are as they are in the file, which the kernel's page map
/// tells. The range is never written any more.
fn forget_clean((first, end): Range) {
    const FROM_FILE: u64 = 1 << 61;
    let Ok(map) = std::fs::File::open("/proc/self/pagemap") else {
        return;
    };
    let mut entries = [0_u8; 8 * 64];
    for start in (first..end).step_by(64 * PAGE) {
        let pages = ((end - start) / PAGE).min(64);
        let place = (start / PAGE * 8) as u64;
        let read =
            std::os::unix::fs::FileExt::read_exact_at(&map, &mut entries[..8 * pages], place);
        if read.is_err() {
            return;
        }
        for (index, entry) in entries[..8 * pages].as_chunks::<8>().0.iter().enumerate() {
            if u64::from_ne_bytes(*entry) & FROM_FILE != 0 {
                let page = start + index * PAGE;
                forget((page, page + PAGE));
            }
        }
    }
}

#[inline(always)]
fn forget((first, end): Range) {
    let length = end.saturating_sub(first);
    // SAFETY: the pages are mapped from a file and as they are there, and nobody writes to them, so
    // that one that is taken away comes back the same; or they are of the stack below all frames in
    // use, whose contents nobody expects. Where the call fails it does nothing.
    unsafe { libc::madvise(first as *mut libc::c_void, length, libc::MADV_DONTNEED) };
}

#[cfg(test)]
mod tests {
    use super::forget_code_and_poll;

    #[test]
    fn what_was_forgotten_comes_back() {
        let text = ["a constant", "another"];
        let at_once = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        assert_eq!(forget_code_and_poll(&mut [], Some(&at_once)), Ok(0));
        assert_eq!(text.concat(), "a constantanother");
        assert!(std::fs::read("/proc/self/maps").is_ok());
    }
}
