//! System calls on descriptors and limits that go through [`Control`]: numbers and packed structures in, the same out.

#![allow(unsafe_code, reason = "calls that take structures by address")]
#![allow(clippy::disallowed_methods, reason = "this is where the system is asked")]

use std::io;

use crate::vm::host::Control;

/// An error if a structure does not fit in what was handed over for it.
fn room<T>(bytes: &[u8]) -> io::Result<()> {
    if bytes.len() < size_of::<T>() { Err(io::ErrorKind::InvalidInput.into()) } else { Ok(()) }
}

fn get<T: Copy>(bytes: &[u8]) -> io::Result<T> {
    room::<T>(bytes)?;
    // SAFETY: there are enough bytes, and `T` is a structure of plain numbers.
    Ok(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

fn put<T: Copy>(bytes: &mut [u8], value: T) -> io::Result<()> {
    room::<T>(bytes)?;
    // SAFETY: as in `get`.
    unsafe { bytes.as_mut_ptr().cast::<T>().write_unaligned(value) };
    Ok(())
}

/// The address of a path, which ends in a zero.
fn path(bytes: &[u8]) -> io::Result<*const libc::c_char> {
    if bytes.contains(&0) { Ok(bytes.as_ptr().cast()) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// The addresses of two texts that each end in a zero.
fn two_texts(bytes: &[u8]) -> io::Result<(*const libc::c_char, *const libc::c_char)> {
    let first = path(bytes)?;
    let after = bytes.iter().position(|byte| *byte == 0).map_or(0, |end| end + 1);
    Ok((first, path(&bytes[after..])?))
}

/// Hands over the bytes that a call gave, of which there are `got`.
fn answer(bytes: &mut [u8], given: &[u8], got: libc::ssize_t) -> io::Result<i64> {
    if let Ok(count) = usize::try_from(got) {
        let (Some(to), Some(from)) = (bytes.get_mut(..count), given.get(..count)) else {
            return Err(io::Error::from_raw_os_error(libc::ERANGE));
        };
        to.copy_from_slice(from);
    }
    Ok(got as i64)
}

/// A limit, where -1 without an error says that there is none: then it is -2 here.
fn limit(ask: impl FnOnce() -> io::Result<libc::c_long>) -> io::Result<i64> {
    // SAFETY: the address of this thread's error number.
    unsafe { *libc::__errno_location() = 0 };
    let found = ask()?;
    if found == -1 && io::Error::last_os_error().raw_os_error() == Some(0) { Ok(-2) } else { Ok(found) }
}

/// Gives `call` the address of a copy of `bytes` with room behind it: how much the system reads and writes there is for the request to
/// say, and no structure is larger than that.
fn with_room(bytes: &mut [u8], call: impl FnOnce(*mut libc::c_void) -> libc::c_int) -> i64 {
    const ROOM: usize = 16 << 10;
    let mut room = vec![0u8; bytes.len() + ROOM];
    room[..bytes.len()].copy_from_slice(bytes);
    let result = call(room.as_mut_ptr().cast());
    bytes.copy_from_slice(&room[..bytes.len()]);
    i64::from(result)
}

/// Carries out a call. Descriptors that are not open give the system's error.
pub(super) fn control(call: Control, numbers: [i64; 4], bytes: &mut [u8]) -> io::Result<i64> {
    let [first, second, third, fourth] = numbers;
    let fd = first as libc::c_int;
    let two = second as libc::c_int;
    let pointer = bytes.as_mut_ptr().cast::<libc::c_void>();
    // SAFETY: each call gets numbers, and the address of `bytes` where the structure it reads or writes was seen to fit; what `fcntl` and
    // `ioctl` do with theirs only the request says, so they get one with room for any. Scripts name
    // descriptors by number; the machine's own survive being used for something else with an error.
    let result = unsafe {
        match call {
            Control::Fcntl if bytes.is_empty() => i64::from(libc::fcntl(fd, two, third as libc::c_long)),
            Control::Fcntl => with_room(bytes, |room| libc::fcntl(fd, two, room)),
            Control::Ioctl if bytes.is_empty() => {
                i64::from(libc::ioctl(fd, second as libc::c_ulong, third as libc::c_long))
            }
            Control::Ioctl => with_room(bytes, |room| libc::ioctl(fd, second as libc::c_ulong, room)),
            Control::Flock => i64::from(libc::flock(fd, two)),
            Control::GetLimit => {
                room::<libc::rlimit>(bytes)?;
                i64::from(libc::prlimit(second as libc::pid_t, first as _, std::ptr::null(), pointer.cast()))
            }
            Control::SetLimit => {
                let limits: libc::rlimit = get(bytes)?;
                i64::from(libc::prlimit(second as libc::pid_t, first as _, &limits, pointer.cast()))
            }
            Control::Usage => {
                room::<libc::rusage>(bytes)?;
                i64::from(libc::getrusage(fd, pointer.cast()))
            }
            Control::GetTerminal => {
                room::<libc::termios>(bytes)?;
                i64::from(libc::tcgetattr(fd, pointer.cast()))
            }
            Control::SetTerminal => {
                let settings: libc::termios = get(bytes)?;
                i64::from(libc::tcsetattr(fd, two, &settings))
            }
            Control::Drain => i64::from(libc::tcdrain(fd)),
            Control::FlushQueue => i64::from(libc::tcflush(fd, two)),
            Control::Flow => i64::from(libc::tcflow(fd, two)),
            Control::Break => i64::from(libc::tcsendbreak(fd, two)),
            Control::OpenTerminal => {
                let (mut master, mut slave) = (-1, -1);
                let nothing = std::ptr::null_mut();
                let opened = libc::openpty(&mut master, &mut slave, nothing, nothing.cast(), nothing.cast());
                if opened == 0 {
                    put(bytes, [master, slave])?;
                    libc::fcntl(master, libc::F_SETFD, libc::FD_CLOEXEC);
                    libc::fcntl(slave, libc::F_SETFD, libc::FD_CLOEXEC);
                }
                i64::from(opened)
            }
            Control::TerminalName => i64::from(libc::ttyname_r(fd, pointer.cast(), bytes.len())),
            Control::NewSession => i64::from(libc::setsid()),
            Control::SessionOf => i64::from(libc::getsid(fd)),
            Control::GroupOf => i64::from(libc::getpgid(fd)),
            Control::SetGroup => i64::from(libc::setpgid(fd, two)),
            Control::TerminalGroup => i64::from(libc::tcgetpgrp(fd)),
            Control::SetTerminalGroup => i64::from(libc::tcsetpgrp(fd, two)),
            Control::SignalMask => {
                let (mut set, mut before): (libc::sigset_t, libc::sigset_t) = (std::mem::zeroed(), std::mem::zeroed());
                libc::sigemptyset(&mut set);
                (1..64).filter(|n| second >> n & 1 == 1).for_each(|n| {
                    libc::sigaddset(&mut set, n);
                });
                match libc::pthread_sigmask(fd, &set, &mut before) {
                    0 => (1..64).filter(|n| libc::sigismember(&before, *n) == 1).fold(0, |bits, n| bits | 1i64 << n),
                    error => return Err(io::Error::from_raw_os_error(error)),
                }
            }
            Control::PendingSignals => {
                let mut set: libc::sigset_t = std::mem::zeroed();
                if libc::sigpending(&mut set) != 0 {
                    return Err(io::Error::last_os_error());
                }
                (1..64).filter(|n| libc::sigismember(&set, *n) == 1).fold(0, |bits, n| bits | 1i64 << n)
            }
            Control::TakeSignal => {
                let mut set: libc::sigset_t = std::mem::zeroed();
                libc::sigemptyset(&mut set);
                (1..64).filter(|n| first >> n & 1 == 1).for_each(|n| {
                    libc::sigaddset(&mut set, n);
                });
                let mut info: libc::siginfo_t = std::mem::zeroed();
                let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
                let taken = libc::sigtimedwait(&set, &mut info, &at_once);
                if taken > 0 {
                    let sender = [info.si_pid(), info.si_uid() as i32];
                    put(bytes, [info.si_signo, info.si_code, info.si_errno, sender[0], sender[1], info.si_status()])?;
                }
                i64::from(taken)
            }
            Control::WaitChild => {
                let mut status = 0;
                let mut usage: libc::rusage = std::mem::zeroed();
                let found = libc::wait4(first as libc::pid_t, &mut status, two, &mut usage);
                if found > 0 {
                    put(bytes, i64::from(status))?;
                    put(&mut bytes[8..], usage)?;
                }
                i64::from(found)
            }
            Control::WaitAny => {
                let mut info: libc::siginfo_t = std::mem::zeroed();
                let waited = libc::waitid(first as libc::idtype_t, second as libc::id_t, &mut info, third as _);
                if waited == 0 {
                    put(bytes, [info.si_pid(), info.si_uid() as i32, info.si_signo, info.si_status(), info.si_code])?;
                }
                i64::from(waited)
            }
            Control::Execute => {
                let numbers = (usize::try_from(first), usize::try_from(second));
                let (Ok(arguments), Ok(variables)) = numbers else { return Err(io::ErrorKind::InvalidInput.into()) };
                let texts: Vec<*const libc::c_char> =
                    bytes.split_inclusive(|byte| *byte == 0).map(|text| text.as_ptr().cast()).collect();
                let count = arguments.checked_add(variables).and_then(|count| count.checked_add(1));
                if Some(texts.len()) != count || bytes.last() != Some(&0) {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                let ended = |part: &[*const libc::c_char]| {
                    part.iter().copied().chain([std::ptr::null()]).collect::<Vec<*const libc::c_char>>()
                };
                let (arguments, variables) = texts[1..].split_at(arguments);
                let (arguments, variables) = (ended(arguments), ended(variables));
                i64::from(libc::execve(texts[0], arguments.as_ptr(), variables.as_ptr()))
            }
            Control::SetIdentity => {
                let [a, b, c] = [second, third, fourth].map(|number| number as libc::uid_t);
                i64::from(match first {
                    0 => libc::setuid(a),
                    1 => libc::setgid(a),
                    2 => libc::seteuid(a),
                    3 => libc::setegid(a),
                    4 => libc::setreuid(a, b),
                    5 => libc::setregid(a, b),
                    6 => libc::setresuid(a, b, c),
                    _ => libc::setresgid(a, b, c),
                })
            }
            Control::Identity => {
                let (mut real, mut effective, mut saved) = (0, 0, 0);
                let asked = match first {
                    0 => libc::getresuid(&mut real, &mut effective, &mut saved),
                    _ => libc::getresgid(&mut real, &mut effective, &mut saved),
                };
                put(bytes, [real, effective, saved])?;
                i64::from(asked)
            }
            Control::Groups => {
                let room = bytes.len() / size_of::<libc::gid_t>();
                i64::from(libc::getgroups(room as libc::c_int, pointer.cast()))
            }
            Control::SetGroups => i64::from(libc::setgroups(bytes.len() / size_of::<libc::gid_t>(), pointer.cast())),
            Control::FileSystem => {
                let mut described: libc::statvfs = std::mem::zeroed();
                let asked = if fd >= 0 {
                    libc::fstatvfs(fd, &mut described)
                } else {
                    libc::statvfs(path(bytes)?, &mut described)
                };
                if asked == 0 {
                    put(bytes, described)?;
                }
                i64::from(asked)
            }
            Control::SetOwner => {
                let (user, group) = (first as libc::uid_t, second as libc::gid_t);
                i64::from(match (fourth as libc::c_int, third) {
                    (-1, 0) => libc::lchown(path(bytes)?, user, group),
                    (-1, _) => libc::chown(path(bytes)?, user, group),
                    (fd, _) => libc::fchown(fd, user, group),
                })
            }
            Control::MakeNode => i64::from(libc::mknod(path(bytes)?, first as libc::mode_t, second as libc::dev_t)),
            Control::Umask => i64::from(libc::umask(first as libc::mode_t)),
            Control::Priority => libc::syscall(libc::SYS_getpriority, fd, second as libc::c_uint),
            Control::SetPriority => {
                i64::from(libc::setpriority(first as _, second as libc::id_t, third as libc::c_int))
            }
            Control::Lock => i64::from(libc::lockf(fd, two, third)),
            Control::Allocate => match libc::posix_fallocate(fd, second, third) {
                0 => 0,
                error => return Err(io::Error::from_raw_os_error(error)),
            },
            Control::ProcessDescriptor => {
                libc::syscall(libc::SYS_pidfd_open, first as libc::pid_t, second as libc::c_uint)
            }
            Control::Sync => {
                libc::sync();
                0
            }
            Control::ChangeRoot => i64::from(libc::chroot(path(bytes)?)),
            Control::Attribute => {
                let (place, name) = two_texts(bytes)?;
                let mut value = vec![0u8; 65536];
                let (at, room) = (value.as_mut_ptr().cast(), value.len());
                let got = match (third as libc::c_int, second) {
                    (-1, 0) => libc::lgetxattr(place, name, at, room),
                    (-1, _) => libc::getxattr(place, name, at, room),
                    (fd, _) => libc::fgetxattr(fd, name, at, room),
                };
                answer(bytes, &value, got)?
            }
            Control::SetAttribute => {
                let (place, name) = two_texts(bytes)?;
                let value = bytes.splitn(3, |byte| *byte == 0).nth(2).unwrap_or_default();
                let (at, size) = (value.as_ptr().cast(), value.len());
                i64::from(match (third as libc::c_int, second) {
                    (-1, 0) => libc::lsetxattr(place, name, at, size, fd),
                    (-1, _) => libc::setxattr(place, name, at, size, fd),
                    (file, _) => libc::fsetxattr(file, name, at, size, fd),
                })
            }
            Control::Attributes => {
                let place = path(bytes)?;
                let mut names = vec![0u8; 65536];
                let (at, room) = (names.as_mut_ptr().cast(), names.len());
                let got = match (third as libc::c_int, second) {
                    (-1, 0) => libc::llistxattr(place, at, room),
                    (-1, _) => libc::listxattr(place, at, room),
                    (fd, _) => libc::flistxattr(fd, at, room),
                };
                answer(bytes, &names, got)?
            }
            Control::RemoveAttribute => {
                let (place, name) = two_texts(bytes)?;
                i64::from(match (third as libc::c_int, second) {
                    (-1, 0) => libc::lremovexattr(place, name),
                    (-1, _) => libc::removexattr(place, name),
                    (fd, _) => libc::fremovexattr(fd, name),
                })
            }
            Control::Affinity => libc::syscall(libc::SYS_sched_getaffinity, fd, bytes.len(), pointer),
            Control::SetAffinity => libc::syscall(libc::SYS_sched_setaffinity, fd, bytes.len(), pointer),
            Control::Scheduler => i64::from(libc::sched_getscheduler(fd)),
            Control::SetScheduler => {
                let mut parameters: libc::sched_param = std::mem::zeroed();
                parameters.sched_priority = third as libc::c_int;
                i64::from(match two {
                    -1 => libc::sched_setparam(fd, &parameters),
                    policy => libc::sched_setscheduler(fd, policy, &parameters),
                })
            }
            Control::SchedulerPriority => {
                let mut parameters: libc::sched_param = std::mem::zeroed();
                match libc::sched_getparam(fd, &mut parameters) {
                    0 => i64::from(parameters.sched_priority),
                    error => i64::from(error),
                }
            }
            Control::SchedulerSlice => {
                room::<libc::timespec>(bytes)?;
                i64::from(libc::sched_rr_get_interval(fd, pointer.cast()))
            }
            Control::Splice | Control::CopyRange => {
                let mut offsets: [libc::loff_t; 2] = get(bytes)?;
                let [from, to] = offsets.each_mut().map(|at| if *at < 0 { std::ptr::null_mut() } else { at });
                let (count, flags) = (third as usize, fourth as libc::c_uint);
                let moved = if call == Control::Splice {
                    libc::splice(fd, from, two, to, count, flags)
                } else {
                    libc::copy_file_range(fd, from, two, to, count, flags)
                };
                moved as i64
            }
            Control::NewTimer => i64::from(libc::timerfd_create(fd, two)),
            Control::SetTimer => {
                let new: libc::itimerspec = get(bytes)?;
                i64::from(libc::timerfd_settime(fd, two, &new, pointer.cast()))
            }
            Control::Timer => {
                room::<libc::itimerspec>(bytes)?;
                i64::from(libc::timerfd_gettime(fd, pointer.cast()))
            }
            Control::EnterNamespace => i64::from(libc::setns(fd, two)),
            Control::LeaveNamespaces => i64::from(libc::unshare(fd)),
            Control::PathLimit => limit(|| match fd {
                -1 => path(bytes).map(|path| libc::pathconf(path, two)),
                _ => Ok(libc::fpathconf(fd, two)),
            })?,
            Control::SystemText => {
                // Nothing to say and no such question look the same but for this.
                *libc::__errno_location() = 0;
                match libc::confstr(fd, pointer.cast(), bytes.len()) {
                    0 if *libc::__errno_location() == libc::EINVAL => -1,
                    length => length as i64,
                }
            }
            Control::SystemLimit => limit(|| Ok(libc::sysconf(fd)))?,
            Control::SetClock => {
                let time = libc::timespec { tv_sec: second, tv_nsec: third };
                i64::from(libc::clock_settime(fd, &time))
            }
            Control::SetHostName => i64::from(libc::sethostname(pointer.cast(), bytes.len())),
            Control::Advise => match libc::posix_fadvise(fd, second, third, fourth as libc::c_int) {
                0 => 0,
                error => return Err(io::Error::from_raw_os_error(error)),
            },
            Control::ReadAt | Control::WriteAt => {
                let piece = libc::iovec { iov_base: pointer.cast(), iov_len: bytes.len() };
                let moved = if call == Control::ReadAt {
                    libc::preadv2(fd, &piece, 1, third, two)
                } else {
                    libc::pwritev2(fd, &piece, 1, third, two)
                };
                moved as i64
            }
            Control::NewEpoll => i64::from(libc::epoll_create1(fd)),
            Control::ChangeEpoll => {
                let mut event = libc::epoll_event { events: fourth as u32, u64: third as u64 };
                i64::from(libc::epoll_ctl(fd, two, third as libc::c_int, &mut event))
            }
            Control::TakeEpoll => {
                let most = bytes.len() / size_of::<libc::epoll_event>();
                i64::from(libc::epoll_wait(fd, pointer.cast(), most as libc::c_int, 0))
            }
        }
    };
    match (call, result) {
        (Control::TerminalName, 0) => Ok(0),
        (Control::TerminalName, error) => Err(io::Error::from_raw_os_error(error as i32)),
        (_, -1) => Err(io::Error::last_os_error()),
        _ => Ok(result),
    }
}
