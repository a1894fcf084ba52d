//! Times of a launch, step by step. The launcher that ships has no such thing: `cargo xtask bench launch` puts this
//! file into a copy of the sources.

use std::ffi::CString;
use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::step::Step;

/// What tells the app.
const STAMPS: &str = "NACRE_STAMPS";

static SEEN: Mutex<Vec<(&str, u128)>> = Mutex::new(Vec::new());

fn now() -> u128 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| Duration::from(now).as_nanos())
}

/// A launch begins now.
pub fn begin() {
    if let Ok(mut seen) = SEEN.lock() {
        seen.clear();
        seen.push(("begin", now()));
    }
}

/// Something ends now.
pub fn mark(what: &'static str) {
    let now = now();
    if let Ok(mut seen) = SEEN.lock() {
        seen.push((what, now));
    }
}

/// A step ends now.
pub(crate) fn add(step: &Step) {
    mark(match step {
        Step::HoldProc => "hold the OS's `/proc`",
        Step::Unshare(_) => "namespaces: leave the OS's",
        Step::JoinNetwork => "network: enter the app's namespace",
        Step::PrivateMounts | Step::Mount(_) | Step::Enter(_) => "mounts",
        Step::Pivot => "root: pivot, let go of the old one",
        Step::Hostname(_) | Step::OomScore(_) => "host name, OOM score",
        Step::Identity(_) => "uid and gid",
        Step::UserNamespace { .. } | Step::NoUserNamespaces => "user namespace",
        Step::SecureBits | Step::DropBounding | Step::DropCapabilities => "capabilities",
        Step::NoNewPrivs | Step::Check { .. } => "no_new_privs, and what the kernel says of both",
        Step::Landlock { .. } => "Landlock",
        Step::Rlimits { .. } | Step::DenyWriteExecute | Step::CloseDescriptors => "limits, memory, descriptors",
        Step::Filter { .. } => "seccomp: load the filter",
        Step::HandOver => "seccomp: hand its listener over",
        _ => "other",
    });
}

/// The app's environment, with everything so far.
pub(crate) fn with(env: &[CString]) -> Vec<CString> {
    let mut text = format!("{STAMPS}=");
    let last = ("get ready to execute", now());
    let seen = SEEN.lock().map(|seen| seen.clone()).unwrap_or_default();
    for (what, at) in seen.iter().chain([&last]) {
        let between = if text.ends_with('=') { "" } else { ";" };
        // Writing to a string does not fail.
        let _ = write!(text, "{between}{what}={at}");
    }
    env.iter().cloned().chain(CString::new(text)).collect()
}
