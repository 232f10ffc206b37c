//! Being woken: a descriptor that signal handlers and helper threads write to, and that whoever waits also waits for. Made when first needed.

#![allow(unsafe_code, reason = "a signal handler can only use the number of a descriptor")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::event::{EventfdFlags, eventfd};

/// What is shared with those who wake.
#[derive(Debug)]
pub(super) struct Wake {
    number: AtomicI32,
    /// Keeps it open as long as anybody can wake.
    owned: OnceLock<OwnedFd>,
}

impl Wake {
    pub(super) fn new() -> Arc<Wake> {
        Arc::new(Wake { number: AtomicI32::new(-1), owned: OnceLock::new() })
    }

    /// The descriptor that becomes readable.
    pub(super) fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        if self.owned.get().is_none() {
            let made = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let number = self.owned.get_or_init(|| made).as_raw_fd();
            self.number.store(number, Ordering::Release);
        }
        Ok(std::os::fd::AsFd::as_fd(self.owned.get().expect("just made")))
    }

    /// Wakes whoever waits. May be called by signal handlers and any thread. Before anybody waited for the first time there is nothing to do: who is
    /// about to wait looks at what there is after having asked for the descriptor.
    pub(super) fn wake(&self) {
        let number = self.number.load(Ordering::Acquire);
        if number >= 0 {
            // SAFETY: `owned` keeps it open as long as `self` lives.
            let fd = unsafe { BorrowedFd::borrow_raw(number) };
            // Full means that it is readable already.
            let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
        }
    }

    /// In a process just forked: the number stands for a descriptor of this process alone.
    pub(super) fn begin_again(&self) -> io::Result<()> {
        let number = self.number.load(Ordering::Acquire);
        if number >= 0 {
            let made = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            super::processes::duplicate_to(made.as_raw_fd(), number, false)?;
        }
        Ok(())
    }

    /// Makes the descriptor unreadable again.
    pub(super) fn clear(&self) {
        if let Some(fd) = self.owned.get() {
            let mut count = [0; 8];
            let _ = rustix::io::read(fd, &mut count);
        }
    }
}
