//! The command line: where scripts come from, what they are told, and how the process ends.

#![allow(clippy::disallowed_methods, reason = "a test has no host")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn aio(args: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_aio"))
        .args(args)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // A process that doesn't read its input may have closed it already.
    child.stdin.take().expect("stdin is piped").write_all(stdin.as_bytes()).ok();
    child.wait_with_output().expect("the process ends")
}

/// A file of this test's own.
fn file(name: &str, content: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}"));
    std::fs::write(&path, content).expect("the temporary folder can be written");
    path.to_string_lossy().into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn scripts_come_from_files_text_and_standard_input() {
    let path = file("argv.aio", b"#!/usr/bin/env aio\nimport sys\nprint(len(sys.argv), sys.argv[1:])\n");
    assert_eq!(stdout(&aio(&[&path, "a", "--flag"], "")), "3 ['a', '--flag']\n");
    assert_eq!(stdout(&aio(&["run", &path, "b"], "")), "2 ['b']\n");
    assert_eq!(stdout(&aio(&["-c", "import sys; print(sys.argv)", "x"], "")), "['-c', 'x']\n");
    assert_eq!(stdout(&aio(&["-", "y"], "import sys\nprint(sys.argv)\n")), "['-', 'y']\n");
    assert_eq!(stdout(&aio(&[], "print('piped')\n")), "piped\n");
}

#[test]
fn modules_run_as_programs() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli-modules");
    std::fs::create_dir_all(folder.join("pack")).expect("the temporary folder can be written");
    let text = "import sys\nfrom . import helper\nprint(__name__, __package__, helper.x, sys.argv[1:])\n";
    for (name, text) in [("__init__.py", ""), ("helper.aio", "x = 5"), ("__main__.py", text), ("tool.aio", text)] {
        std::fs::write(folder.join("pack").join(name), text).expect("the temporary folder can be written");
    }
    let run = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_aio")).current_dir(&folder).args(args).output().expect("the binary starts")
    };
    for module in ["pack", "pack.tool"] {
        assert_eq!(stdout(&run(&["-m", module, "-x"])), "__main__ pack 5 ['-x']\n");
    }
    for (module, told) in [
        ("nothing", "aio: No module named nothing\n"),
        ("json", "aio: No module named json.__main__; 'json' is a package and cannot be directly executed\n"),
        (
            "nothing.more",
            "aio: Error while finding module specification for 'nothing.more' (ModuleNotFoundError: No module named 'nothing')\n",
        ),
        (
            "pack.tool.more",
            "aio: Error while finding module specification for 'pack.tool.more' (ModuleNotFoundError: __path__ attribute not found on \
             'pack.tool' while trying to find 'pack.tool.more')\n",
        ),
        (".pack", "aio: Relative module names not supported\n"),
    ] {
        let output = run(&["-m", module]);
        assert_eq!((stderr(&output).as_str(), output.status.code()), (told, Some(1)));
    }
}

#[test]
fn modules_of_the_library_run_as_programs() {
    for (args, told) in [
        (&["-m", "json.tool", "--compact", "--help"][..], "usage: json.tool "),
        (&["-m", "timeit", "-n", "1", "-r", "1", "pass"], "1 loop, best of 1: "),
        (&["-m", "unittest", "--help"], "usage: aio -m unittest "),
        (&["-m", "doctest", "--help"], "usage: aio -m doctest "),
        (&["-m", "zipfile", "--help"], "usage: aio -m zipfile "),
    ] {
        let output = aio(args, "");
        assert_eq!((stderr(&output).as_str(), output.status.code()), ("", Some(0)), "{args:?}");
        assert!(stdout(&output).starts_with(told), "{}", stdout(&output));
    }
}

#[test]
fn the_package_of_a_module_that_runs_is_imported_before() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli-packages");
    std::fs::create_dir_all(folder.join("pack")).expect("the temporary folder can be written");
    for (name, text) in [("__init__.py", "import pack.core"), ("core.py", "print(__name__, __spec__.name)")] {
        std::fs::write(folder.join("pack").join(name), text).expect("the temporary folder can be written");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_aio")).current_dir(&folder).args(["-m", "pack.core"]).output();
    let output = output.expect("the binary starts");
    assert_eq!(stdout(&output), "pack.core pack.core\n__main__ pack.core\n");
    let told = "<frozen runpy>:128: RuntimeWarning: 'pack.core' found in sys.modules after import of package 'pack', but prior to \
                execution of 'pack.core'; this may result in unpredictable behaviour\n";
    assert_eq!(stderr(&output), told);
}

/// CPython compares with the folder of the program as it was started, which the references of the goldens don't have: the words are
/// those of CPython 3.14.
#[test]
fn a_module_in_the_way_of_another_is_named() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli-shadows");
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let texts = [
        ("random.py", "x = 1"),
        ("ring.py", "import gnir"),
        ("gnir.py", "import ring\ntry: ring.y\nexcept AttributeError as error: print(error)\nfrom ring import y"),
        (
            "main.py",
            "import random\ntry: random.randint\nexcept AttributeError as error: print(error)\n\
             try: from random import choice\nexcept ImportError as error: print(error)\n\
             try: import ring\nexcept ImportError as error: print(error)",
        ),
    ];
    for (name, text) in texts {
        std::fs::write(folder.join(name), text).expect("the temporary folder can be written");
    }
    let output = aio(&[&folder.join("main.py").to_string_lossy()], "");
    let told = stdout(&output).replace(&*folder.to_string_lossy(), "HERE");
    let hides = "consider renaming 'HERE/random.py' since it has the same name as the standard library module named 'random' and \
                 prevents importing that standard library module";
    let meant = "consider renaming 'HERE/ring.py' if it has the same name as a library you intended to import";
    let expected = format!(
        "module 'random' has no attribute 'randint' ({hides})\ncannot import name 'choice' from 'random' ({hides})\n\
         module 'ring' has no attribute 'y' ({meant})\ncannot import name 'y' from 'ring' ({meant})\n"
    );
    assert_eq!(told, expected);
    let plain = aio(&["-c", "import sys; print(hasattr(sys, 'ps1'))"], "");
    assert_eq!(stdout(&plain), "False\n");
}

#[test]
fn warnings_show_the_lines_of_the_text_given() {
    let output = aio(&["-c", "import warnings\nwarnings.warn('x')"], "");
    assert_eq!(stderr(&output), "<string>:2: UserWarning: x\n  warnings.warn('x')\n");
    assert_eq!(stderr(&aio(&["-c", "1 is 2"], "")).lines().count(), 1);
}

#[test]
fn exit_statuses() {
    for (code, status) in [
        ("pass", 0),
        ("1 / 0", 1),
        ("import sys; sys.exit(7)", 7),
        ("raise SystemExit", 0),
        ("raise SystemExit('text')", 1),
    ] {
        assert_eq!(aio(&["-c", code], "").status.code(), Some(status), "{code}");
    }
    assert_eq!(aio(&["--no-such-flag"], "").status.code(), Some(2));
    assert_eq!(aio(&["-c", "x ="], "").status.code(), Some(1));
}

#[test]
fn what_cannot_be_read_is_one_clear_line() {
    let folder = env!("CARGO_TARGET_TMPDIR").to_owned();
    let binary = file("binary.aio", b"\x7fELF\0\0\0\x01\x02");
    let latin = file("latin.aio", b"print('caf\xe9')\n");
    for (path, status) in [("/no/such/file.aio".to_owned(), 2), (folder, 1), (binary, 2), (latin, 2)] {
        let output = aio(&[&path], "");
        assert_eq!(output.status.code(), Some(status), "{path}");
        assert_eq!(stderr(&output).lines().count(), 1, "{path}: {}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn version_and_help() {
    assert_eq!(stdout(&aio(&["--version"], "")), format!("aio {}\n", env!("CARGO_PKG_VERSION")));
    for flag in ["-h", "--help"] {
        let output = aio(&[flag], "");
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("--dump"), "{}", stdout(&output));
    }
}

/// What CPython 3.13 prints for the same command lines.
#[test]
fn flags_of_python() {
    let text = b"\"\"\"text\"\"\"\nimport sys, warnings\ntry:\n    assert False, 'seen'\nexcept AssertionError as e: print(e)\n\
        print(__doc__, __debug__, eval('__debug__'), sys.flags.optimize, sys.warnoptions, sys._xoptions)\n\
        warnings.warn('old', DeprecationWarning)\nwarnings.warn('new', UserWarning)\n";
    let path = file("flags.aio", text);
    let old = format!("{path}:7: DeprecationWarning: old\n  warnings.warn('old', DeprecationWarning)\n");
    let new = format!("{path}:8: UserWarning: new\n  warnings.warn('new', UserWarning)\n");
    for (flags, printed, warned) in [
        (vec![], "seen\ntext True True 0 [] {}\n", format!("{old}{new}")),
        (vec!["-O"], "text False False 1 [] {}\n", format!("{old}{new}")),
        (vec!["-OOW", "ignore"], "None False False 2 ['ignore'] {}\n", String::new()),
        (vec!["-Wignore::UserWarning"], "seen\ntext True True 0 ['ignore::UserWarning'] {}\n", old.clone()),
        (vec!["-X", "a=b", "-Xc"], "seen\ntext True True 0 [] {'a': 'b', 'c': True}\n", format!("{old}{new}")),
        (vec!["-W", "ignore", "-W", "x"], "seen\ntext True True 0 ['ignore', 'x'] {}\n", {
            "Invalid -W option ignored: invalid action: 'x'\n".to_owned()
        }),
    ] {
        let output = aio(&[flags, vec![&path]].concat(), "");
        assert_eq!((stdout(&output), stderr(&output)), (printed.to_owned(), warned));
    }
    let digits = aio(&["-X", "int_max_str_digits=640", "-c", "print(len(str(10 ** 700)))"], "");
    assert_eq!(digits.status.code(), Some(1));
    let debug = "import asyncio\nasync def main(): print(asyncio.get_running_loop().get_debug())\nasyncio.run(main())";
    assert_eq!(stdout(&aio(&["-X", "dev", "-c", debug], "")), "True\n");
}

#[test]
fn arguments_and_variables_need_not_be_utf_8() {
    let odd = OsStr::from_bytes(b"x\xff\xe9");
    let code = "import os, sys; print(ascii(sys.argv[1]), ascii(os.environ['ODD']), os.fsencode(sys.argv[1]))";
    let command = |code: &OsStr| {
        Command::new(env!("CARGO_BIN_EXE_aio")).arg("-c").arg(code).arg(odd).env("ODD", odd).output().expect("aio")
    };
    assert_eq!(stdout(&command(OsStr::new(code))), "'x\\udcff\\udce9' 'x\\udcff\\udce9' b'x\\xff\\xe9'\n");
    let refused = command(odd);
    assert_eq!((stderr(&refused).as_str(), refused.status.code()), ("aio: the text of -c is not UTF-8\n", Some(2)));
}

#[test]
fn variables_of_the_environment_may_be_ignored() {
    let run = |flags: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_aio"))
            .env("PYTHONHASHSEED", "7")
            .env("PYTHONOPTIMIZE", "1")
            .env("PYTHONWARNINGS", "ignore,error::UserWarning")
            .args(flags)
            .args(["-c", "import sys; print(hash('a'), sys.flags.optimize, sys.warnoptions)"])
            .output()
            .expect("the binary starts")
    };
    assert_eq!(stdout(&run(&[])), "6412522626967419924 1 ['ignore', 'error::UserWarning']\n");
    assert_eq!(stdout(&run(&["-E"])), "4644417185603328019 0 []\n");
    assert_eq!(stdout(&run(&["-I"])), "4644417185603328019 0 []\n");
}

#[test]
fn what_calls_scripts_does_not_nest() {
    // CPython can't answer this: it does nest.
    let output = aio(&[concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/nesting.aio")], "");
    assert_eq!((stdout(&output), stderr(&output)), (String::new(), String::new()), "these nest");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn an_hour_of_virtual_time_is_short() {
    let path = file("hour.aio", b"import asyncio\nasyncio.run(asyncio.sleep(3600))\nprint('slept')\n");
    assert_eq!(stdout(&aio(&["run", "--virtual-time", &path], "")), "slept\n");
}

#[test]
fn a_closed_pipe_ends_a_program_as_any_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_aio"))
        .args(["-c", "for i in range(200000): print('line', i)"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped"));
    lines.read_line(&mut line).expect("there is a first line");
    drop(lines);
    let mut errors = String::new();
    child.stderr.take().expect("stderr is piped").read_to_string(&mut errors).expect("stderr is text");
    let status = child.wait().expect("the process ends");
    assert_eq!((line.as_str(), status.code()), ("line 0\n", Some(1)));
    assert!(errors.ends_with("BrokenPipeError: [Errno 32] Broken pipe\n"), "{errors}");
}

/// Runs a text that says when it is ready, and then gets a Ctrl-C: what it writes afterwards, and the rest of what there is.
fn interrupted(code: &str) -> (String, Output) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_aio"))
        .args(["-c", code])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped"));
    lines.read_line(&mut line).expect("the script says that it is ready");
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
    let mut rest = String::new();
    lines.read_to_string(&mut rest).expect("stdout is text");
    let output = child.wait_with_output().expect("the process ends");
    (rest, output)
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_a_wait_of_every_thread() {
    let code = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\ntry:\n    print('ready', flush=True)\n    threading.Event().wait()\nexcept KeyboardInterrupt:\n    print('bye')\n";
    let (rest, output) = interrupted(code);
    assert_eq!((rest.as_str(), stderr(&output).as_str(), output.status.code()), ("bye\n", "", Some(0)));
}

#[test]
#[cfg(unix)]
fn ctrl_c_cancels_the_main_task_first() {
    use std::os::unix::process::ExitStatusExt;
    let code = "import asyncio\nasync def main():\n    print('ready', flush=True)\n    try:\n        await asyncio.sleep(60)\n    finally:\n        print('cleanup', flush=True)\nasyncio.run(main())";
    let (rest, output) = interrupted(code);
    assert_eq!(rest, "cleanup\n");
    assert!(stderr(&output).ends_with("KeyboardInterrupt\n"), "{}", stderr(&output));
    // Where the task was when it was cancelled.
    assert!(stderr(&output).contains("line 5, in main"), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("CancelledError\n\nDuring handling of the above exception"),
        "{}",
        stderr(&output)
    );
    // A shell shows 130 either way.
    assert!(output.status.code() == Some(130) || output.status.signal() == Some(2), "{:?}", output.status);
}

/// Who starts a process with Ctrl-C ignored wants it to go on.
#[test]
#[cfg(unix)]
fn an_ignored_ctrl_c_stays_ignored() {
    let script = format!(
        "trap '' INT; '{}' -c 'import time; time.sleep(0.5); print(1)' & sleep 0.2; kill -INT $!; wait $!",
        env!("CARGO_BIN_EXE_aio")
    );
    let output = Command::new("sh").args(["-c", &script]).output().expect("there is a shell");
    assert_eq!(stdout(&output), "1\n", "{}", stderr(&output));
}

#[test]
fn profiles_say_where_the_time_goes() {
    let code = "import asyncio\ndef busy():\n    n = 0\n    while n < 3_000_000: n += 1\nasync def main(): busy()\nasyncio.run(main())\nprint('done')\n";
    let path = file("profiled", code.as_bytes());
    let picture = format!("{path}.svg");
    let flag = format!("--flame-graph={picture}");
    let output = aio(&["run", "--profile", &flag, &path], "");
    assert_eq!(stdout(&output), "done\n");
    let table = stderr(&output);
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[0].starts_with("profile: "), "{table}");
    assert!(rows[2].contains("busy (") && rows[2].ends_with(":2)"), "{table}");
    assert!(rows.iter().any(|row| row.contains("main (") && row.ends_with(":5)")), "{table}");
    let picture = std::fs::read_to_string(picture).expect("it was written");
    assert!(
        picture.starts_with("<svg") && picture.ends_with("</svg>\n") && picture.contains("<title>busy ("),
        "{picture}"
    );
    let refused = aio(&["run", "--flame-graph=/nowhere/at/all.svg", &path], "");
    assert!(stderr(&refused).contains("cannot write `/nowhere/at/all.svg`"), "{}", stderr(&refused));
}

#[test]
fn await_at_the_top_runs_on_a_loop() {
    let code = "print(1)\nimport asyncio\nawait asyncio.sleep(0)\nprint(2, asyncio.current_task().get_name())";
    let run = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_aio")).args(args).output().expect("the binary starts");
    assert_eq!(stdout(&run(&["-c", code])), "1\n2 Task-1\n");
    let path = file("top-level-await", code.as_bytes());
    let name = path.as_str();
    assert_eq!(stdout(&run(&["--top-level-await", name])), "1\n2 Task-1\n");
    let refused = run(&[name]);
    assert_eq!(stdout(&refused), "");
    assert!(!refused.status.success());
}

/// What the program does not determine is decided in one place, so a run can be recorded and repeated.
#[test]
fn a_recorded_run_is_repeated() {
    let path = file("recording", b"");
    let text = "import random, os; print(random.random(), os.urandom(9).hex(), os.getpid())";
    let run = |variable: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aio"));
        command.args(["-c", text]);
        if let Some(name) = variable {
            command.env(name, &path);
        }
        stdout(&command.output().expect("the binary starts"))
    };
    let first = run(Some("AIO_RECORD"));
    assert_ne!(first, run(None));
    assert_eq!(first, run(Some("AIO_REPLAY")));
    assert_eq!(first, run(Some("AIO_REPLAY")));
    std::fs::write(&path, "no recording").expect("the temporary folder can be written");
    assert_eq!(run(Some("AIO_REPLAY")), "");
}

/// What is longer than what it is made of is asked for before it is made: a process with little memory raises MemoryError and goes on.
#[test]
fn little_memory_is_an_exception() {
    let code = "\
def attempt(f):
    try:
        return type(f()).__name__
    except MemoryError:
        return 'MemoryError'
many = 10**6
print(attempt(lambda: ('\\t' * 10**4).expandtabs(10**6)))
print(attempt(lambda: (b'x' * many).join([b''] * 10**5)))
print(attempt(lambda: ('a' * 10**5).translate({97: 'b' * many})))
print(attempt(lambda: '%s' * 10**5 % (('x' * many,) * 10**5)))
print(attempt(lambda: ('{0}' * 10**5).format('x' * many)))
print(attempt(lambda: memoryview(b'x' * 10**8).tolist()))
print(attempt(lambda: repr('\\0' * (4 * 10**8))))
print(attempt(lambda: 'x' * 10))
";
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 2097152; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_aio"), "-c", code])
        .output()
        .expect("the binary starts");
    assert_eq!(stdout(&output), "MemoryError\n".repeat(7) + "str\n", "{}", stderr(&output));
}
