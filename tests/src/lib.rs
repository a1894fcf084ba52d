//! End-to-end tests on a real kernel in a VM: images built by `nacre build`, run by `nacre run`, asked by
//! `nacre device`, judged by programs that are not ours. The tests themselves are in `tests/vm`.
//!
//! A helper here panics when the thing under test fails: that is what a test does.
#![forbid(unsafe_code)]

pub mod image;
pub mod nacre;
pub mod steps;
pub mod vm;

/// What `tests/apps/probe` is told in the sandbox: the attempt, and the answers that are good.
pub const PROBE_VERDICTS: [(&str, &[&str]); 20] = [
    ("mount", &["EPERM"]),
    ("unshare", &["EPERM"]),
    ("ptrace", &["EPERM"]),
    ("raw-socket", &["EPERM"]),
    ("write-outside", &["EACCES", "EROFS"]),
    // Without `network` there is no socket to do it with; with it, Landlock's EACCES: see network.rs.
    ("listen", &["EPERM"]),
    ("connect", &["EPERM"]),
    ("become-root", &["EPERM", "EINVAL"]),
    ("see-processes", &["ENOENT"]),
    ("own-memory", &["EACCES", "EROFS"]),
    ("device-node", &["EPERM"]),
    ("memory-file", &["EPERM"]),
    ("read-packages", &["ENOENT"]),
    ("data-within", &["succeeded"]),
    ("data-beyond", &["EDQUOT"]),
    ("tmp-within", &["succeeded"]),
    ("tmp-beyond", &["ENOSPC"]),
    ("open-files-beyond", &["EMFILE"]),
    ("tasks-within", &["succeeded"]),
    ("tasks-beyond", &["EAGAIN"]),
];
