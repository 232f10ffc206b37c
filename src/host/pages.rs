//! The memory that the program's own code takes.

#![allow(unsafe_code, reason = "the address space is told what is not needed for now")]

/// Lets go of the pages of code and constants that were used so far: the compiler's once it is done, those that made the machine
/// when there is one. What is needed again the system still has, and puts back at the next use. The system maps sixteen pages
/// where one is touched, so that a start adds up to megabytes.
///
/// In a debugger, the breakpoints set before are lost: they are changes of such pages. So builds for debugging keep them.
#[cfg(target_os = "linux")]
pub fn let_go_of_pages() {
    if cfg!(debug_assertions) {
        return;
    }
    unsafe extern "C" fn of_object(
        object: *mut libc::dl_phdr_info,
        _: libc::size_t,
        _: *mut libc::c_void,
    ) -> libc::c_int {
        const PAGE: usize = 4096;
        // SAFETY: the loader describes the object, whose headers are in memory as long as it is.
        let (base, headers) = unsafe {
            let object = &*object;
            (object.dlpi_addr as usize, std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum)))
        };
        for header in headers {
            if header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0 {
                let start = (base + header.p_vaddr as usize) & !(PAGE - 1);
                let end = base + (header.p_vaddr + header.p_memsz) as usize;
                // SAFETY: pages of a file that cannot be written to: reading them again finds the same.
                unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
            }
        }
        // The first object is the program.
        1
    }
    // SAFETY: the function keeps nothing that it is given.
    unsafe { libc::dl_iterate_phdr(Some(of_object), std::ptr::null_mut()) };
}

/// Lets go of nothing.
#[cfg(not(target_os = "linux"))]
pub fn let_go_of_pages() {}
