//! Fibers, driven from Rust: what threads are made of.

#![allow(clippy::disallowed_methods, reason = "a test has no host")]

use std::sync::Arc;

use aio::compile::Options;
use aio::heap::Collection;
use aio::host::OsHost;
use aio::interpreter::{self, Ending};
use aio::source::SourceFile;
use aio::syntax::Mode;
use aio::vm::Vm;
use aio::vm::fiber::FiberId;
use aio::vm::native::Root;

/// A machine whose `__main__` ran this.
fn machine(text: &str) -> Box<Vm> {
    let mut vm = Box::new(interpreter::machine(Box::new(OsHost::new(false))));
    let file = SourceFile::new("<test>", text);
    let options = Options { filename: "<test>".into(), ..Options::default() };
    let (code, _) = interpreter::compile_text(&file, Mode::Module, &options).expect("a good text");
    vm.register_source(&code, text);
    assert_eq!(
        interpreter::run_main(&mut vm, "<test>", &interpreter::Main::Script, &Arc::clone(&code)),
        Ending::Status(0)
    );
    vm
}

/// A machine in which a time slice is so many safepoints that no fiber here comes to its end: a busy machine changes nothing.
fn machine_with_long_slices(text: &str) -> Box<Vm> {
    let mut vm = machine(text);
    vm.count_slices(100_000);
    vm
}

fn global(vm: &mut Vm, name: &str) -> Root {
    let module = vm.import("__main__").unwrap_or_else(|_| panic!("it ran"));
    vm.attribute(module, name).unwrap_or_else(|_| panic!("`{name}` is there"))
}

fn spawn(vm: &mut Vm, name: &str) -> FiberId {
    let callee = global(vm, name);
    vm.spawn_fiber(callee, &[], None).unwrap_or_else(|_| panic!("there is a stack"))
}

fn text(vm: &mut Vm, root: Root) -> String {
    vm.repr_text(root).unwrap_or_else(|_| panic!("it has a repr"))
}

fn pass(vm: &mut Vm) {
    vm.pass().unwrap_or_else(|_| panic!("nothing is raised in the main fiber"));
}

#[test]
fn values_of_a_parked_fiber_survive() {
    let mut vm = machine_with_long_slices(
        "import _thread
gate = _thread.allocate_lock()
gate.acquire()
def key(n):
    kept = ['kept', str(n) * 3]
    if n == 2:
        gate.acquire()
    return kept[1]
def work():
    return sorted([3, 1, 2, 10], key=key)
",
    );
    let fiber = spawn(&mut vm, "work");
    pass(&mut vm);
    assert!(!vm.fiber_has_ended(fiber));
    for _ in 0..3 {
        vm.collect(Collection::Minor);
        vm.collect(Collection::Major);
    }
    let gate = global(&mut vm, "gate");
    vm.call_method(gate, "release", &[]).expect("it is held");
    pass(&mut vm);
    let result = vm.take_fiber_result(fiber).expect("it ended").expect("and returned");
    assert_eq!(text(&mut vm, result), "[10, 1, 2, 3]");
}

#[test]
fn a_loop_is_preempted() {
    let mut vm = machine("n = 0\ndef work():\n    global n\n    while True:\n        n += 1\n");
    spawn(&mut vm, "work");
    let mut seen = 0;
    for _ in 0..3 {
        pass(&mut vm);
        let n = global(&mut vm, "n").get(&vm).as_int().expect("a number");
        assert!(n > seen, "it went on");
        seen = n;
    }
    vm.end_fibers();
    assert_eq!(vm.fiber_count(), 1);
}

#[test]
fn counted_slices_are_the_same_at_every_run() {
    let run = || {
        let mut vm = machine(
            "log = []\ndef work():\n    for n in range(1000):\n        log.append(n)\ndef other():\n    for n in range(1000):\n        log.append(-n)\n",
        );
        vm.count_slices(7);
        let fibers = [spawn(&mut vm, "work"), spawn(&mut vm, "other")];
        while !fibers.iter().all(|fiber| vm.fiber_has_ended(*fiber)) {
            pass(&mut vm);
        }
        let log = global(&mut vm, "log");
        text(&mut vm, log)
    };
    let first = run();
    assert_eq!(first, run());
    assert!(first.contains(", -1"), "both ran");
    assert!(!first.contains("998, 999, 0, -1, -2"), "in turns");
}

#[test]
fn what_a_fiber_raises_is_its_result() {
    let mut vm = machine_with_long_slices("def work():\n    return {}['missing']\n");
    let fiber = spawn(&mut vm, "work");
    pass(&mut vm);
    let raised = vm.take_fiber_result(fiber).expect("it ended").expect_err("by an exception");
    assert_eq!(text(&mut vm, raised), "KeyError('missing')");
    assert!(vm.take_fiber_result(fiber).is_none(), "a result is taken once");
}

#[test]
fn an_abandoned_fiber_is_unwound() {
    let mut vm = machine_with_long_slices(
        "import _thread
log = []
gate = _thread.allocate_lock()
gate.acquire()
def work():
    try:
        sorted([1, 2], key=lambda n: gate.acquire())
    except BaseException:
        log.append('handled')
    finally:
        log.append('finally')
",
    );
    let fiber = spawn(&mut vm, "work");
    pass(&mut vm);
    vm.abandon_fiber(fiber);
    pass(&mut vm);
    assert_eq!(vm.fiber_count(), 1);
    let log = global(&mut vm, "log");
    assert_eq!(text(&mut vm, log), "[]", "none of its code ran any more");
    // The stack serves again.
    let fiber = spawn(&mut vm, "work");
    let gate = global(&mut vm, "gate");
    vm.call_method(gate, "release", &[]).expect("it is held");
    pass(&mut vm);
    vm.call_method(gate, "release", &[]).expect("it is held");
    pass(&mut vm);
    assert!(vm.fiber_has_ended(fiber));
}

#[test]
fn a_fiber_that_never_ran_is_dropped() {
    let mut vm = machine("def work():\n    raise SystemExit\n");
    let fiber = spawn(&mut vm, "work");
    vm.abandon_fiber(fiber);
    vm.end_fibers();
    assert_eq!(vm.fiber_count(), 1);
    spawn(&mut vm, "work");
    drop(vm);
}

#[test]
fn another_thread_of_the_system_wakes_a_fiber() {
    let mut vm = machine("");
    let waker = vm.waker();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        waker.wake(FiberId::MAIN);
    });
    vm.park_outside(None).unwrap_or_else(|_| panic!("it is woken"));
    thread.join().expect("it ends");
    let deadlock = vm.park(None).expect_err("nobody could wake it");
    let raised = vm.take_exception(deadlock);
    assert_eq!(text(&mut vm, raised), "RuntimeError('deadlock: every thread waits for another')");
}

#[test]
fn recursion_is_counted_for_each_fiber() {
    let mut vm = machine(
        "def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)
def work():
    try:
        deep(100000)
    except RecursionError:
        return deep(900)
class Nested:
    def __eq__(self, other):
        return Nested() == other
def natives():
    try:
        [Nested()] == [Nested()]
    except RecursionError as e:
        return 'caught'
",
    );
    let (plain, natives) = (spawn(&mut vm, "work"), spawn(&mut vm, "natives"));
    while !(vm.fiber_has_ended(plain) && vm.fiber_has_ended(natives)) {
        pass(&mut vm);
    }
    let result = vm.take_fiber_result(plain).expect("it ended").expect("and returned");
    assert_eq!(text(&mut vm, result), "900");
    let result = vm.take_fiber_result(natives).expect("it ended").expect("and returned");
    assert_eq!(text(&mut vm, result), "'caught'");
}
