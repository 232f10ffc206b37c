//! `asyncio.AbstractEventLoop`: what loops have, none of it done.

use crate::native::natives;
use crate::object::Exc;
use crate::vm::native::{Cx, KeywordRest, NativeResult, Raised, Rest, Root};

fn undone(cx: &mut Cx) -> Raised {
    cx.raise_new(Exc::NotImplementedError, &[])
}

natives!(
    /// What a loop has; all of it is for derived classes to do.
    pub(super) static ABSTRACT_LOOP: Methods;

    /// Run until `stop` is called.
    fn run_forever(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Run until a future is done.
    fn run_until_complete(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Stop as soon as possible.
    fn stop(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Whether it runs.
    fn is_running(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Whether it was closed.
    fn is_closed(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Close it.
    fn close(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Close the asynchronous generators.
    fn shutdown_asyncgens(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Wait for the threads of the default executor.
    fn shutdown_default_executor(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Call a function in the next turn.
    fn call_soon(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Call a function after a time.
    fn call_later(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Call a function at a time.
    fn call_at(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// The loop's clock.
    fn time(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Make a future.
    fn create_future(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Make a task.
    fn create_task(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Call a function in the next turn, from another thread.
    fn call_soon_threadsafe(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Call a function in a thread or process.
    fn run_in_executor(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Set what `run_in_executor` uses.
    fn set_default_executor(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Look a name up.
    fn getaddrinfo(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Look an address up.
    fn getnameinfo(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Connect.
    fn create_connection(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Listen.
    fn create_server(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Encrypt a connection.
    fn start_tls(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Connect to a socket with a path.
    fn create_unix_connection(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Listen at a path.
    fn create_unix_server(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Make a transport of an accepted connection.
    fn connect_accepted_socket(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Make an endpoint for datagrams.
    fn create_datagram_endpoint(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Make a transport of a pipe to read from.
    fn connect_read_pipe(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Make a transport of a pipe to write to.
    fn connect_write_pipe(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Start a line of the shell.
    fn subprocess_shell(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Start a program.
    fn subprocess_exec(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Send a file.
    fn sendfile(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Call a function when something can be read.
    fn add_reader(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// No longer do that.
    fn remove_reader(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Call a function when something can be written.
    fn add_writer(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// No longer do that.
    fn remove_writer(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Receive bytes.
    fn sock_recv(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Receive bytes into a buffer.
    fn sock_recv_into(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Receive a datagram.
    fn sock_recvfrom(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Receive a datagram into a buffer.
    fn sock_recvfrom_into(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Send bytes.
    fn sock_sendall(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Send a datagram.
    fn sock_sendto(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Connect a socket.
    fn sock_connect(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Accept a connection.
    fn sock_accept(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Send a file over a socket.
    fn sock_sendfile(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Call a function when a signal comes.
    fn add_signal_handler(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// No longer do that.
    fn remove_signal_handler(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Set what makes tasks.
    fn set_task_factory(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// What makes tasks.
    fn get_task_factory(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// What is told of exceptions.
    fn get_exception_handler(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Set what is told of exceptions.
    fn set_exception_handler(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// What is done with exceptions otherwise.
    fn default_exception_handler(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Tell of an exception.
    fn call_exception_handler(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Whether it is in debug mode.
    fn get_debug(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }

    /// Set whether it is in debug mode.
    fn set_debug(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Err(undone(cx))
    }
);
