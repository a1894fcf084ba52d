//! The kernel's own tests, compiled from its pinned source with its own headers. They stay in the target folder until
//! the source, our part of them or the commands change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use nacre_tests::image::{ARMV7, Board};
use nacre_tests::nacre::{judge, root, run, text};

/// Below `tools/testing/selftests`. The benchmark of seccomp is no test; `true` is executed by tests of Landlock.
const SOURCES: [&str; 9] = [
    "landlock/base_test",
    "landlock/fs_test",
    "landlock/net_test",
    "landlock/ptrace_test",
    "landlock/scoped_abstract_unix_test",
    "landlock/scoped_signal_test",
    "landlock/scoped_test",
    "landlock/true",
    "seccomp/seccomp_bpf",
];

/// For the C library that the tests are written for: musl's waits for ever for a thread that seccomp has killed.
const FLAGS: [&str; 4] = ["-O2", "-s", "-static", "-w"];

/// How a board's programs are compiled: the kernel's name of the architecture, and the compiler.
fn architecture(board: Board) -> (&'static str, &'static str) {
    if board == ARMV7 { ("arm", "arm-linux-gnueabihf-gcc") } else { ("x86_64", "gcc") }
}

/// The folder with the compiled programs, and nothing else.
pub(crate) fn programs(board: Board) -> PathBuf {
    // Tests of one board run side by side, and want the same programs.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let ours = root().join("tests/kernel-selftests");
    let place = root().join("target/kernel-selftests").join(board.name);
    let output = run(&["kernel", "source", "--board", board.name]);
    assert!(output.status.success(), "{}", text(&output));
    let source = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());

    let (name, compiler) = architecture(board);
    let made_of = format!(
        "{}\n{compiler} {FLAGS:?} {SOURCES:?}\n{}\n{}",
        source.display(),
        fs::read_to_string(ours.join("libc.c")).expect("the checkout has it"),
        fs::read_to_string(ours.join("include/sys/capability.h")).expect("the checkout has it"),
    );
    let (stamp, programs) = (place.join("made-of"), place.join("programs"));
    if fs::read_to_string(&stamp).is_ok_and(|made| made == made_of) {
        return programs;
    }
    // Half-made programs have no stamp.
    let _not_there = fs::remove_dir_all(&place);
    fs::create_dir_all(&programs).expect("target is writable");
    let headers = headers(&source, &place, name);
    for test in SOURCES {
        compile(&source, &headers, &ours, compiler, test, &programs);
    }
    fs::write(&stamp, made_of).expect("target is writable");
    programs
}

/// `make headers`: what the kernel shows to programs.
fn headers(source: &Path, place: &Path, architecture: &str) -> PathBuf {
    let objects = place.join("headers");
    fs::create_dir_all(&objects).expect("target is writable");
    let mut make = Command::new("make");
    make.env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
        .arg("-s")
        .arg("-C")
        .arg(source);
    make.arg(format!("ARCH={architecture}")).arg(format!("O={}", objects.display())).arg("headers");
    let output = make.output().expect("make starts; `cargo xtask setup` installs it");
    assert!(output.status.success(), "make headers:\n{}", text(&output));
    objects.join("usr/include")
}

fn compile(source: &Path, headers: &Path, ours: &Path, compiler: &str, test: &str, programs: &Path) {
    let selftests = source.join("tools/testing/selftests");
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    let name = Path::new(test).file_name().expect("a test has a name");
    // Else the messages would name files by where they lie on this machine.
    let map = format!("-ffile-prefix-map={}/=", selftests.display());
    let mut arguments = vec!["-D_GNU_SOURCE", &map, "-isystem"];
    arguments.extend(FLAGS);
    let (headers, include) = (path(headers.to_owned()), path(ours.join("include")));
    let (file, library) = (path(selftests.join(format!("{test}.c"))), path(ours.join("libc.c")));
    let made = path(programs.join(name));
    arguments.splice(3..3, [headers.as_str(), "-isystem", &include]);
    arguments.extend(["-o", &made, &file, &library, "-lpthread"]);
    judge(compiler, &arguments);
}
