//! Children, signals to them, and what signals do to this process.

#![allow(unsafe_code, reason = "what a child does before its program runs, and actions of signals")]
#![allow(clippy::disallowed_methods, reason = "this is where the system is asked")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{BorrowedFd, IntoRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::process::{Pid, PidfdFlags, WaitOptions};

use super::wake::Wake;
use crate::text::wtf8::to_system;
use crate::vm::host::{Child, ChildPlan, SignalAction};

fn bytes(text: &[u8]) -> &OsStr {
    OsStr::from_bytes(text)
}

fn stream(number: i32) -> io::Result<Stdio> {
    if number < 0 {
        return Ok(Stdio::inherit());
    }
    // SAFETY: only a copy is made of it; a number that is not open gives an error.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    Ok(Stdio::from(fd.try_clone_to_owned()?))
}

/// Starts a child.
pub(super) fn spawn(plan: &ChildPlan, environment: Vec<(OsString, OsString)>) -> io::Result<Child> {
    let mut command = Command::new(bytes(&plan.program));
    if let Some((first, rest)) = plan.arguments.split_first() {
        command.arg0(bytes(first));
        command.args(rest.iter().map(|arg| bytes(arg)));
    }
    command.env_clear();
    match &plan.environment {
        Some(pairs) => command.envs(pairs.iter().map(|(k, v)| (bytes(k), bytes(v)))),
        None => command.envs(environment),
    };
    if let Some(folder) = &plan.folder {
        command.current_dir(bytes(folder));
    }
    command.stdin(stream(plan.streams[0])?).stdout(stream(plan.streams[1])?).stderr(stream(plan.streams[2])?);
    if let Some(group) = plan.group {
        command.process_group(group);
    }
    let (pass, close_others) = (plan.pass.clone(), plan.close_others);
    let (session, umask) = (plan.new_session, plan.umask);
    let before = move || {
        // SAFETY: these are calls of the system that a child may make before it runs a program; they allocate nothing.
        unsafe {
            if session {
                libc::setsid();
            }
            if let Some(mask) = umask {
                libc::umask(mask as libc::mode_t);
            }
            if close_others {
                const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
                libc::syscall(libc::SYS_close_range, 3 as libc::c_uint, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC);
            }
            for fd in &pass {
                libc::fcntl(*fd, libc::F_SETFD, 0);
            }
        }
        Ok(())
    };
    // SAFETY: as said there.
    unsafe { command.pre_exec(before) };
    let child = command.spawn()?;
    let id = child.id() as i32;
    // What is asked of the child from here on goes by its number, so it is not forgotten by anybody else.
    let descriptor = Pid::from_raw(id).ok_or(io::ErrorKind::NotFound.into()).and_then(|pid| {
        rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from).map(IntoRawFd::into_raw_fd)
    });
    Ok(Child { id, descriptor: descriptor.unwrap_or(-1) })
}

/// Doubles the process: 0 in the child.
pub(super) fn fork() -> io::Result<i32> {
    // SAFETY: the child goes on with the one thread that is here. The allocator may be used after it, and what other threads of aio's own
    // held is replaced before anybody asks for it (`OsHost::fork`).
    let child = unsafe { libc::fork() };
    if child < 0 { Err(io::Error::last_os_error()) } else { Ok(child) }
}

/// Makes `to` a second number for what `fd` stands for.
pub(super) fn duplicate_to(fd: i32, to: i32, inheritable: bool) -> io::Result<()> {
    // SAFETY: nothing but numbers is handed over; objects that own descriptors find out by errors that theirs was replaced.
    let done = unsafe {
        if fd == to {
            libc::fcntl(fd, libc::F_GETFD)
        } else {
            libc::dup3(fd, to, if inheritable { 0 } else { libc::O_CLOEXEC })
        }
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The status of a child that has ended, as the system has it; None if it has not. 0 stands for any child.
pub(super) fn reap(id: i32) -> io::Result<Option<(i32, i32)>> {
    let found = if id > 0 {
        rustix::process::waitpid(Pid::from_raw(id), WaitOptions::NOHANG)?
    } else {
        rustix::process::wait(WaitOptions::NOHANG)?
    };
    Ok(found.map(|(pid, status)| (pid.as_raw_nonzero().get(), status.as_raw())))
}

/// Sends a signal to a process, or to a group of them if the number is negative.
pub(super) fn send(id: i32, signal: i32) -> io::Result<()> {
    // SAFETY: nothing but numbers is handed over.
    if unsafe { libc::kill(id, signal) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets a timer of the process: seconds until its signal, and between further ones. What it was set to before.
pub(super) fn set_timer(which: i32, set: Option<(f64, f64)>) -> io::Result<(f64, f64)> {
    let time = |seconds: f64| libc::timeval {
        tv_sec: seconds.trunc() as libc::time_t,
        tv_usec: (seconds.fract() * 1e6).round() as libc::suseconds_t,
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    let zero = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut old = libc::itimerval { it_interval: zero, it_value: zero };
    let result = match set {
        Some((first, interval)) => {
            let new = libc::itimerval { it_interval: time(interval), it_value: time(first) };
            // SAFETY: both live during the call.
            unsafe { libc::setitimer(which as _, &raw const new, &raw mut old) }
        }
        // SAFETY: it lives during the call.
        None => unsafe { libc::getitimer(which as _, &raw mut old) },
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok((seconds(old.it_value), seconds(old.it_interval))) }
}

/// The signals that came in, a bit each, and what is done when one does.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) pending: Arc<AtomicU64>,
    pub(super) wake: Arc<Wake>,
    /// The system's actions for signals that are told, to put back.
    told: BTreeMap<i32, Saved>,
}

struct Saved(libc::sigaction);

impl std::fmt::Debug for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Saved")
    }
}

fn exchange(signal: i32, new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut old = std::mem::MaybeUninit::zeroed();
    let new = new.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both live during the call; the action is one that the system gave, or the default, or to ignore.
    if unsafe { libc::sigaction(signal, new, old.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeros are one, and the system wrote it.
    Ok(unsafe { old.assume_init() })
}

impl Watch {
    pub(super) fn new(pending: Arc<AtomicU64>, wake: Arc<Wake>) -> Watch {
        Watch { pending, wake, told: BTreeMap::new() }
    }

    /// Sets what a signal does.
    pub(super) fn set(&mut self, signal: i32, word: &Arc<AtomicU32>, action: SignalAction) -> io::Result<()> {
        let plain = match action {
            SignalAction::Tell => {
                if let Some(saved) = self.told.get(&signal) {
                    return exchange(signal, Some(&saved.0)).map(|_| ());
                }
                tell(signal, word, &self.pending, &self.wake)?;
                let now = exchange(signal, None)?;
                self.told.insert(signal, Saved(now));
                return Ok(());
            }
            SignalAction::Default => libc::SIG_DFL,
            SignalAction::Ignore => libc::SIG_IGN,
        };
        // SAFETY: zeros are an action without flags and with an empty mask.
        let mut new: libc::sigaction = unsafe { std::mem::zeroed() };
        new.sa_sigaction = plain;
        let old = exchange(signal, Some(&new))?;
        if old.sa_sigaction != libc::SIG_DFL && old.sa_sigaction != libc::SIG_IGN {
            self.told.entry(signal).or_insert(Saved(old));
        }
        Ok(())
    }
}

/// Has a signal told to a machine.
pub(super) fn tell(signal: i32, word: &Arc<AtomicU32>, pending: &Arc<AtomicU64>, wake: &Arc<Wake>) -> io::Result<()> {
    let (pending, word, wake) = (pending.clone(), word.clone(), wake.clone());
    let told = move || {
        pending.fetch_or(1 << (signal - 1), Ordering::Relaxed);
        word.fetch_or(crate::heap::interrupt::SIGNAL, Ordering::Release);
        wake.wake();
    };
    if signal_hook::consts::FORBIDDEN.contains(&signal) {
        return Err(rustix::io::Errno::INVAL.into());
    }
    // SAFETY: the handler stores to atomics and writes to a descriptor, which a signal handler may do.
    unsafe { signal_hook::low_level::register(signal, told) }.map(|_| ())
}

/// Signals are for the thread that runs a machine: this one gets none.
pub fn block_signals() {
    // SAFETY: an empty set is made and filled by the system.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
}

/// All environment variables, with those that a machine changed.
pub(super) fn environment(changed: &BTreeMap<String, Option<String>>) -> Vec<(OsString, OsString)> {
    let mut all: Vec<(OsString, OsString)> =
        std::env::vars_os().filter(|(k, _)| !k.to_str().is_some_and(|k| changed.contains_key(k))).collect();
    for (name, value) in changed {
        if let Some(value) = value {
            all.push((OsString::from_vec(to_system(name)), OsString::from_vec(to_system(value))));
        }
    }
    all
}
