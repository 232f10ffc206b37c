//! `loop.sock_recv` and its like: an operation is tried at once, and again each time the socket is ready for it.

use std::io::ErrorKind;

use crate::heap::{Raw, Value};
use crate::native::natives;
use crate::native::types::bytes::bytes_like;
use crate::object::{AnyFuture, BLOCKING, Bytes};
use crate::vm::native::{Args, Continuation, Cx, NativeResult, Outcome, Raised, Resumed, Root, Then};
use crate::vm::network::Waited;

use super::reactor::{self, Interest};
use super::socket::{self, fail, network, with, with_buffer};

/// MSG_DONTWAIT: a socket that blocks does not stop the loop either.
const DO_NOT_WAIT: i32 = 0x40;
/// Sent at once at most.
const PART: usize = 1 << 18;

// The window of each: the loop, the socket, an argument; then the waiter.
const SOCKET: usize = 1;
const ARGUMENT: usize = 2;
const WAITER: usize = 3;

fn is_later(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// In debug mode a socket has to be one that does not block.
fn check(cx: &mut Cx, event_loop: Root, sock: Root) -> Result<(), Raised> {
    let (timeout, tls) = with(cx, sock, |s| (s.timeout, s.tls))?;
    if tls {
        return Err(cx.type_error("Socket cannot be of type SSLSocket".to_owned()));
    }
    let object = event_loop.get(cx).raw();
    if timeout != Some(0.0) && super::open_loop(cx, object)?.debug {
        return Err(cx.value_error("the socket must be non-blocking"));
    }
    Ok(())
}

/// Suspends until the socket is ready.
fn pause(cx: &mut Cx, window: Args, interest: Interest, then: Continuation) -> NativeResult {
    let fd = with(cx, window.root(SOCKET), |s| s.fd)?;
    let waiter = reactor::await_ready(cx, fd, interest)?;
    waiter.base().put(BLOCKING, true);
    cx.release(window.start() + WAITER as u32);
    let value = cx.push(waiter.value());
    Ok(Outcome::Suspend { value, then: Then::Catch(then) })
}

/// It goes on: because the socket is ready, or with an exception.
fn resumed(cx: &mut Cx, window: Args, interest: Interest, resumed: Resumed) -> Result<(), Raised> {
    let Resumed::Raised(exception) = resumed else { return Ok(()) };
    if let Some(waiter) = AnyFuture::of(window.get(cx, WAITER)).map(AnyFuture::held) {
        let fd = with(cx, window.root(SOCKET), |s| s.fd)?;
        if fd >= 0 {
            reactor::forget(cx, fd, interest, waiter)?;
        }
    }
    Err(cx.rethrow(exception))
}

fn receive(cx: &mut Cx, window: Args) -> NativeResult {
    let size = window.get(cx, ARGUMENT).as_int().unwrap_or(0) as usize;
    let fd = with(cx, window.root(SOCKET), |s| s.fd)?;
    with_buffer(cx, size, |cx, buffer| match network(cx).receive(fd, buffer, DO_NOT_WAIT) {
        Ok(count) => Ok(Bytes::new(&cx.heap, &buffer[..count]).into()),
        Err(error) if is_later(&error) => pause(cx, window, Interest::Read, receive_again),
        Err(error) => Err(fail(cx, &error)),
    })
}

fn receive_again(cx: &mut Cx, window: Args, how: Resumed) -> NativeResult {
    resumed(cx, window, Interest::Read, how)?;
    receive(cx, window)
}

fn receive_into(cx: &mut Cx, window: Args) -> NativeResult {
    let target = window.root(ARGUMENT);
    let size = socket::room_of(cx, target, "recv_into")?;
    let fd = with(cx, window.root(SOCKET), |s| s.fd)?;
    with_buffer(cx, size, |cx, buffer| match network(cx).receive(fd, buffer, DO_NOT_WAIT) {
        Ok(count) => {
            socket::copy_into(cx, target, &buffer[..count])?;
            Ok((count as i64).into())
        }
        Err(error) if is_later(&error) => pause(cx, window, Interest::Read, receive_into_again),
        Err(error) => Err(fail(cx, &error)),
    })
}

fn receive_into_again(cx: &mut Cx, window: Args, how: Resumed) -> NativeResult {
    resumed(cx, window, Interest::Read, how)?;
    receive_into(cx, window)
}

/// Sends from a position on. Where it waits the argument becomes a pair: the data, and how much of it was sent.
fn send(cx: &mut Cx, window: Args, data: Root, mut at: usize) -> NativeResult {
    let fd = with(cx, window.root(SOCKET), |s| s.fd)?;
    let bytes = bytes_like(cx, data)?;
    while at < bytes.len() {
        let end = bytes.len().min(at + PART);
        match network(cx).send(fd, &bytes[at..end], DO_NOT_WAIT) {
            Ok(count) => at += count,
            Err(error) if is_later(&error) => {
                let state = cx.tuple(&[data.get(cx), Value::int(at as i64)]).value().raw();
                window.root(ARGUMENT).set(cx, Value::adopt(state));
                return pause(cx, window, Interest::Write, send_again);
            }
            Err(error) => return Err(fail(cx, &error)),
        }
    }
    Ok(Outcome::NONE)
}

fn send_again(cx: &mut Cx, window: Args, how: Resumed) -> NativeResult {
    resumed(cx, window, Interest::Write, how)?;
    let state = window.get(cx, ARGUMENT).exact::<crate::object::Tuple>();
    let state = state.map(|t| t.items().map(|v| v.raw()).collect::<Vec<Raw>>()).unwrap_or_default();
    let &[data, at] = state.as_slice() else { return Err(cx.runtime_error("nothing to go on sending")) };
    let at = Value::adopt(at).as_int().unwrap_or(0) as usize;
    let data = cx.push_raw(data);
    send(cx, window, data, at)
}

fn accept(cx: &mut Cx, window: Args) -> NativeResult {
    let sock = window.root(SOCKET);
    let (fd, kind, timeout) = with(cx, sock, |s| (s.fd, s.kind, s.timeout))?;
    if timeout != Some(0.0) && matches!(network(cx).wait(Some((fd, false)), Some(0.0)), Ok(Waited::TimedOut)) {
        return pause(cx, window, Interest::Read, accept_again);
    }
    match network(cx).accept(fd, true) {
        Ok((new, from)) => {
            let class = cx.class_of(sock.get(cx)).value().raw();
            let class = cx.push_raw(class);
            let new = socket::adopt(cx, class, new, kind, Some(0.0))?;
            let from = socket::address::shown(cx, &from);
            Ok(cx.tuple(&[new.get(cx), Value::adopt(from)]).into())
        }
        Err(error) if is_later(&error) => pause(cx, window, Interest::Read, accept_again),
        Err(error) => Err(fail(cx, &error)),
    }
}

fn accept_again(cx: &mut Cx, window: Args, how: Resumed) -> NativeResult {
    resumed(cx, window, Interest::Read, how)?;
    accept(cx, window)
}

fn interest_of(cx: &Cx, window: Args) -> Interest {
    if window.get(cx, ARGUMENT).as_bool() == Some(true) { Interest::Write } else { Interest::Read }
}

fn ready(cx: &mut Cx, window: Args, how: Resumed) -> NativeResult {
    let interest = interest_of(cx, window);
    resumed(cx, window, interest, how)?;
    Ok(Outcome::NONE)
}

natives!(
    /// What a loop does with sockets.
    pub(super) static SOCK: ScriptMethods;

    /// Receive up to so many bytes.
    #[suspends]
    fn sock_recv(cx: &mut Cx, this: Root, #[either] sock: Root, #[either] n: i64) -> NativeResult {
        check(cx, this, sock)?;
        if n < 0 {
            return Err(cx.value_error("negative buffersize in recv"));
        }
        let window = Args::of(this, 3);
        window.root(ARGUMENT).set(cx, Value::int(n.min(1 << 31)));
        receive(cx, window)
    }

    /// Receive bytes into a buffer, and return how many.
    #[suspends]
    fn sock_recv_into(cx: &mut Cx, this: Root, #[either] sock: Root, #[either] buf: Root) -> NativeResult {
        check(cx, this, sock)?;
        receive_into(cx, Args::of(this, 3))
    }

    /// Send all bytes.
    #[suspends]
    fn sock_sendall(cx: &mut Cx, this: Root, #[either] sock: Root, #[either] data: Root) -> NativeResult {
        check(cx, this, sock)?;
        send(cx, Args::of(this, 3), data, 0)
    }

    /// Accept a connection: a socket, whose calls don't wait, and the address of the other end.
    #[suspends]
    fn sock_accept(cx: &mut Cx, this: Root, #[either] sock: Root) -> NativeResult {
        check(cx, this, sock)?;
        cx.push_raw(Raw::NONE);
        accept(cx, Args::of(this, 3))
    }

    /// Wait until a socket can be read from, or written to.
    #[suspends]
    fn _sock_ready(cx: &mut Cx, this: Root, sock: Root, write: bool) -> NativeResult {
        check(cx, this, sock)?;
        let window = Args::of(this, 3);
        window.root(ARGUMENT).set(cx, Value::bool(write));
        let interest = interest_of(cx, window);
        pause(cx, window, interest, ready)
    }
);
