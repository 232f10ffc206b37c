//! Whatever a program does, the machine survives it: no panic, no hang beyond the limit of steps, nothing outside is touched.
//!
//! Programs come from a seeded generator: soup of tokens, scripts of this repository with pieces cut out, doubled, moved and spoilt,
//! programs written to be hostile, and programs that call what the library has with odd arguments (`support/programs.rs`). Each runs in a machine of its own, in a sandbox, with limits. A failure prints
//! its seed; `AIO_PROPERTY_SEED=<seed> AIO_PROPERTY_CASES=1` runs that case alone, and it should become a golden. `AIO_PROPERTY_CASES`
//! (default 2,000 for each kind) and `AIO_PROPERTY_SECONDS` (default 20 for each) bound a run; CI sets them higher.
//! `AIO_PROPERTY_STEPS` is the limit of steps of a program.

#![allow(clippy::disallowed_methods, reason = "a test has no host")]

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Duration;

use aio::compile::Options;
use aio::heap::Allocator;
use aio::host::{Exit, Sandbox};
use aio::interpreter::{Ending, Main, compile_text, machine, run_main, shut_down};
use aio::source::SourceFile;
use aio::syntax::Mode;
use aio::vm::limits::{Limits, Stop};

#[path = "support/programs.rs"]
mod programs;
#[path = "support/texts.rs"]
mod texts;

use texts::{Random, from_environment, mutated, scripts, soup};

/// The allocator of the binary: what most of these programs do is allocate.
#[global_allocator]
static ALLOCATOR: Allocator<mimalloc::MiMalloc> = Allocator(mimalloc::MiMalloc);

/// The stack of the thread that a program runs on.
const STACK: usize = 8 << 20;
/// Bytes a program may have on the heap.
const MEMORY: usize = 256 << 20;
/// Failures after which a kind of programs is given up.
const MOST_FAILURES: usize = 10;
/// Seconds after which a program is said to hang: far more than its steps take.
const PATIENCE: u64 = 600;

#[test]
fn token_soup_runs() {
    run_many("soup", 0, soup);
}

#[test]
fn mutated_scripts_run() {
    let scripts: Vec<String> = scripts().into_iter().filter(|text| is_harmless(text)).collect();
    assert!(scripts.len() > 100, "the goldens and examples are found");
    run_many("mutated", 1 << 32, |random| mutated(random, &scripts));
}

#[test]
fn hostile_programs_run() {
    run_many("hostile", 2 << 32, programs::program);
}

#[test]
fn libraries_are_called_oddly() {
    run_many("library", 3 << 32, programs::library_program);
}

#[test]
fn steps_are_counted_and_end_any_program() {
    let texts = [
        "while True: pass",
        "def f():\n    try: f()\n    finally: f()\nf()",
        "while True:\n    try:\n        while True: pass\n    except BaseException: continue",
        "import asyncio\nasync def main():\n    while True:\n        try: await asyncio.sleep(1)\n        except BaseException: pass\nasyncio.run(main())",
        "import asyncio\nloop = asyncio.new_event_loop()\ndef f(): loop.call_soon(f)\nf()\nloop.run_forever()",
        "def f(*a, **k):\n    try: f(*a); f(**k)\n    except Exception: f()\nf()",
        "async def f(*a):\n    try: await f(*a); await f()\n    except Exception: await f()\ntry: f().send(None)\nexcept RecursionError: pass",
        "def f(*a):\n    try: max(a, key=f); min(a, key=f)\n    except Exception: f(1, 2)\nf(1, 2)",
        "for x in iter(int, 1): pass",
        "any(iter(int, 1))",
        "def g():\n    while True: yield 1\nsum(g())",
        "class A:\n    def __del__(self): A()\nA()\nimport gc\nwhile True: gc.collect()",
    ];
    for text in texts {
        // Few steps: a step of what a native takes from an iterator is a thousand items.
        assert_eq!(run_for(text, 0, 300), Ok(Ended::Stopped(Stop::Steps)), "{text}");
    }
}

#[test]
fn another_thread_stops_a_program() {
    let mut vm = machine(Box::new(Sandbox::new(1, 1 << 20, 1000)));
    let stopper = vm.stopper();
    let waiting = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        stopper.stop();
    });
    let source = SourceFile::new(
        "case.aio",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass\n",
    );
    let (code, _) = compile_text(&source, Mode::Module, &Options::default()).expect("a program");
    assert!(matches!(run_main(&mut vm, "case.aio", &Main::Script, &code), Ending::Uncaught(_)));
    assert_eq!(vm.stopped(), Some(Stop::Request));
    waiting.join().expect("it only waits");
}

#[test]
fn a_sandbox_has_no_outside() {
    let text = "for path in ('/etc/passwd', '/tmp/aio-sandbox', '.'):\n    for mode in 'rwax':\n        try: open(path, mode)\n        except OSError: continue\n        raise SystemError(path)\nimport os\nassert not os.environ, os.environ\nfor f in os.listdir, os.remove, os.mkdir, os.stat:\n    try: f('/tmp')\n    except OSError: continue\n    raise SystemError(f)\n";
    assert_eq!(run(text, 0), Ok(Ended::ByItself));
    assert!(run("raise SystemError", 0).is_err(), "what is wrong is seen");
}

// ---- running ----

/// Sockets are still the system's: such scripts are left to the goldens.
fn is_harmless(text: &str) -> bool {
    !["socket", "start_server", "open_connection", "create_server", "create_connection", "subprocess", "signal"]
        .iter()
        .any(|word| text.contains(word))
}

/// What came of the programs so far.
#[derive(Default)]
struct Tally {
    /// The seed of the next program.
    next: u64,
    /// The time is up.
    over: bool,
    done: u64,
    stopped: u64,
    refused: u64,
    failures: Vec<String>,
}

/// Runs cases until the number or the time is used up, and says how many there were.
fn run_many(kind: &str, first_seed: u64, make: impl Fn(&mut Random) -> String + Sync) {
    let cases = from_environment("AIO_PROPERTY_CASES", 2_000);
    let first_seed = from_environment("AIO_PROPERTY_SEED", first_seed);
    let limit = Duration::from_secs(from_environment("AIO_PROPERTY_SECONDS", 20));
    let (sender, time_is_up) = mpsc::channel::<()>();
    let time_is_up = Mutex::new(time_is_up);
    thread::spawn(move || {
        thread::sleep(limit);
        drop(sender);
    });
    let tally = Mutex::new(Tally { next: first_seed, ..Tally::default() });
    let work = || {
        loop {
            let seed = {
                let mut tally = tally.lock().expect("nobody panics with it");
                tally.over |= time_is_up.lock().expect("as above").try_recv() == Err(TryRecvError::Disconnected);
                if tally.over || tally.next == first_seed + cases || tally.failures.len() >= MOST_FAILURES {
                    return;
                }
                tally.next += 1;
                tally.next - 1
            };
            let text = make(&mut Random::new(seed));
            if cases == 1 {
                // Before it runs: it may never end.
                let _ = writeln!(std::io::stderr(), "{text}");
            }
            let ended = run(&text, seed);
            let mut tally = tally.lock().expect("nobody panics with it");
            tally.done += 1;
            match ended {
                Err(report) => tally.failures.push(format!("seed {seed}: {report}\n{text}")),
                Ok(Ended::Stopped(_)) => tally.stopped += 1,
                Ok(Ended::Refused) => tally.refused += 1,
                Ok(Ended::ByItself) => {}
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
        work();
    });
    let Tally { done, stopped, refused, failures, .. } = tally.into_inner().expect("nobody panicked with it");
    let rest = done - stopped - refused;
    // Not captured as what a test prints is.
    let _ = writeln!(
        std::io::stderr(),
        "{kind}: {done} of {cases} programs from seed {first_seed} on: {rest} ran to their end, {stopped} ran out of steps, {refused} \
         were refused, {} failed",
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n----\n"));
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// It came to its end, or to an exception's.
    ByItself,
    /// A limit ended it.
    Stopped(Stop),
    /// It is no program.
    Refused,
}

/// Runs a program for as many steps as the environment says.
fn run(text: &str, seed: u64) -> Result<Ended, String> {
    run_for(text, seed, from_environment("AIO_PROPERTY_STEPS", 20_000))
}

/// Runs a program on a thread of its own. What stopped it, if something did; an error says what went wrong.
fn run_for(text: &str, seed: u64, steps: u64) -> Result<Ended, String> {
    let (sender, ended) = mpsc::channel();
    let shown = text.to_owned();
    let watch = thread::spawn(move || {
        if ended.recv_timeout(Duration::from_secs(PATIENCE)) == Err(RecvTimeoutError::Timeout) {
            // The thread that hangs cannot be ended, but what it hangs on can be told.
            let _ = writeln!(std::io::stderr(), "seed {seed}: hangs\n{shown}");
            std::process::abort();
        }
    });
    let text = text.to_owned();
    // The name is what is told if the stack overflows.
    let thread = thread::Builder::new().name(format!("seed {seed}")).stack_size(STACK);
    let program = thread.spawn(move || run_here(&text, seed, steps)).expect("a thread");
    let result = program.join().unwrap_or_else(|_| Err("a panic".to_owned()));
    sender.send(()).ok();
    watch.join().ok();
    result
}

fn run_here(text: &str, seed: u64, steps: u64) -> Result<Ended, String> {
    let source = SourceFile::new("case.aio", text);
    let options = Options { filename: "case.aio".into(), ..Options::default() };
    let Ok((code, _)) = compile_text(&source, Mode::Module, &options) else { return Ok(Ended::Refused) };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut vm = machine(Box::new(Sandbox::new(seed, STACK - (1 << 20), 64 << 10)));
        vm.set_limits(Limits { steps: Some(steps), memory: Some(MEMORY) });
        let ending = run_main(&mut vm, "case.aio", &Main::Script, &code);
        let mut broken = None;
        if let Ending::Uncaught(exception) = ending {
            let class = vm.class_of(exception.get(&vm)).name().to_str_lossy().into_owned();
            // An invariant of the machine does not hold; programs that raise it themselves say so.
            if class == "SystemError" && (!text.contains("SystemError") || text == "raise SystemError") {
                broken = Some(vm.str_text(exception).unwrap_or_default());
            }
            aio::native::traceback::handle_uncaught(&mut vm, exception);
        }
        shut_down(&mut vm);
        let stopped = vm.stopped();
        vm.collect(aio::heap::Collection::Major);
        (stopped, broken)
    }));
    match outcome {
        Ok((stopped, None)) => Ok(stopped.map_or(Ended::ByItself, Ended::Stopped)),
        Ok((_, Some(what))) => Err(format!("SystemError: {what}")),
        Err(panic) if panic.is::<Exit>() => Ok(Ended::ByItself),
        Err(_) => Err("a panic".to_owned()),
    }
}
