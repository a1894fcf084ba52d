//! Tries from inside an app what an attacker would try first, and says how each attempt ended.
//!
//! One line per attempt: `attempt NAME: succeeded` or `attempt NAME: EPERM`. With the sandbox each is
//! refused; in an image without the sandbox each succeeds, or the test of the sandbox proves nothing.
#![forbid(unsafe_code)]

mod attempts;
mod limits;

use std::process::ExitCode;

use nix::errno::Errno;

/// A name and what is tried.
type Attempt = (&'static str, fn() -> Result<(), Errno>);

const ATTEMPTS: [Attempt; 13] = [
    ("mount", attempts::mount_tmpfs),
    ("unshare", attempts::unshare_namespaces),
    ("ptrace", attempts::trace_child),
    ("raw-socket", attempts::open_raw_socket),
    ("write-outside", attempts::write_outside),
    ("listen", attempts::listen_tcp),
    ("connect", attempts::connect_tcp),
    ("become-root", attempts::become_root),
    ("see-processes", attempts::see_other_processes),
    ("own-memory", attempts::write_own_memory),
    ("device-node", attempts::make_device_node),
    ("memory-file", attempts::make_memory_file),
    ("read-packages", attempts::read_packages),
];

/// Within the limits, then beyond them: the second of each pair must fail.
const LIMITS: [Attempt; 7] = [
    ("data-within", limits::data_within),
    ("data-beyond", limits::data_beyond),
    ("tmp-within", limits::tmp_within),
    ("tmp-beyond", limits::tmp_beyond),
    ("open-files-beyond", limits::open_files_beyond),
    ("tasks-within", limits::tasks_within),
    ("tasks-beyond", limits::tasks_beyond),
];

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("wait") {
        // The child of an attempt: stays until it is killed, and not for ever.
        std::thread::sleep(std::time::Duration::from_secs(20));
        return ExitCode::SUCCESS;
    }
    // Unconfined, these attempts work: on a developer's machine they would mount over its /tmp.
    if std::env::var_os("NACRE_APP").is_none() {
        eprintln!("error: this attacks the system it runs on; it runs as an app on a test image only");
        return ExitCode::from(64);
    }
    status();
    for (name, attempt) in ATTEMPTS.iter().chain(&LIMITS) {
        match attempt() {
            Ok(()) => println!("attempt {name}: succeeded"),
            Err(errno) => println!("attempt {name}: {errno:?}"),
        }
    }
    println!("all attempts made");
    ExitCode::SUCCESS
}

/// What the kernel says of this process.
fn status() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let wanted = ["Uid", "Seccomp", "NoNewPrivs", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    for line in status.lines() {
        if let Some((name, value)) = line.split_once(':')
            && wanted.contains(&name)
        {
            println!("status {name}: {}", value.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    // Who goes first when memory runs out; of the app manager only where its process is seen.
    oom_score("OomScore", "/proc/self");
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let folder = entry.path().to_string_lossy().into_owned();
        if std::fs::read_to_string(format!("{folder}/comm")).is_ok_and(|name| name.trim() == "appmgr") {
            oom_score("AppmgrOomScore", &folder);
        }
    }
}

fn oom_score(name: &str, process: &str) {
    let score = std::fs::read_to_string(format!("{process}/oom_score_adj")).unwrap_or_default();
    println!("status {name}: {}", score.trim());
}
