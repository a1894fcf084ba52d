//! Kernel settings that the sandbox counts on as a second line.

use std::fs;

use crate::console::log;

/// Path under `/proc/sys`, value, and why.
const SETTINGS: [(&str, &str, &str); 9] = [
    ("kernel/printk", "4", "from here on the console is the apps' log; the kernel's own errors still show"),
    ("kernel/dmesg_restrict", "1", "the kernel's log names addresses and other apps"),
    ("kernel/kptr_restrict", "2", "kernel addresses help an exploit and nobody else"),
    ("kernel/panic_on_oops", "1", "a kernel that has oopsed is not to be trusted any more"),
    ("kernel/panic", "1", "a device in the field restarts by itself"),
    ("fs/protected_symlinks", "1", "links in a sticky folder are an old way to another's file"),
    ("fs/protected_hardlinks", "1", "the same with hard links"),
    ("fs/suid_dumpable", "0", "no memory of a process that changed its identity leaves it"),
    ("vm/overcommit_memory", "0", "refuse allocations that obviously can't be kept"),
];

/// Applies what the kernel has; what it lacks was left out of its config on purpose.
pub(crate) fn apply() {
    for (name, value, _) in SETTINGS {
        let path = format!("/proc/sys/{name}");
        match fs::write(&path, value) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                log(&format!("set {path}: {error}"))
            }
            _ => {}
        }
    }
}
