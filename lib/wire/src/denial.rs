//! What a layer of the sandbox refused to an app, and what would allow it.

use std::fmt;

use minicbor::{Decode, Encode};

use crate::message::{Bounded, MAX_NAME, MessageError, bound};

/// Longest text of what was tried, in bytes.
pub const MAX_TRIED: usize = 256;

/// Longest field, line or reason in a remedy, in bytes.
pub const MAX_REMEDY: usize = 320;

/// One refusal, as the device tells it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Denial {
    /// Its number since boot, from 1.
    #[n(0)]
    pub number: u64,
    /// Milliseconds since the kernel started.
    #[n(1)]
    pub uptime_ms: u64,
    /// Component id of the app.
    #[n(2)]
    pub app: String,
    /// Which layer said no.
    #[n(3)]
    pub layer: Layer,
    /// What was tried: `connect tcp 10.0.2.2:8883`, `ptrace(PTRACE_ATTACH, 1)`, `open /etc/x for writing`.
    #[n(4)]
    pub tried: String,
    /// What would allow it.
    #[n(5)]
    pub remedy: Remedy,
    /// How many equal ones were held back since the last event of this kind.
    #[n(6)]
    pub more: u32,
    /// How many of other kinds, of the same app, were never told since its last event: it denied itself too much
    /// at once.
    #[n(7)]
    pub left_out: u32,
}

/// What said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Layer {
    /// The filter of system calls.
    #[n(0)]
    Seccomp,
    /// Landlock, or a mount that is read-only.
    #[n(1)]
    Landlock,
    /// The packet filter before the app's network.
    #[n(2)]
    PacketFilter,
    /// netd's resolver.
    #[n(3)]
    Resolver,
    /// appmgr, asked over `/run/nacre`.
    #[n(4)]
    AppManager,
    /// A limit of the app's cgroup, quota or rlimits.
    #[n(5)]
    Limit,
}

/// What would allow it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Remedy {
    /// A line of a manifest.
    #[n(0)]
    Manifest {
        /// Component id of the app whose manifest it is: mostly the one that was refused, for a message between
        /// apps perhaps the other one. Empty on its way from netd: the one that was refused.
        #[n(0)]
        app: String,
        /// The field: `network.connect`, `storage.data`.
        #[n(1)]
        field: String,
        /// An entry of that list (`tcp:10.0.2.2:8883`), or the field's value (`64KiB`).
        #[n(2)]
        line: String,
    },
    /// No manifest can allow it.
    #[n(1)]
    Never {
        /// Why.
        #[n(0)]
        reason: String,
    },
}

/// Fields of the manifest that are lists; the others have one value.
const LISTS: [&str; 7] =
    ["network.connect", "network.listen", "system", "apps", "events", "devices.gpio", "devices.uart"];

impl Remedy {
    /// An entry of a list, or the value of a field, in an app's manifest.
    pub fn manifest(app: &str, field: &str, line: &str) -> Self {
        Self::Manifest { app: app.to_owned(), field: field.to_owned(), line: line.to_owned() }
    }

    /// Nothing.
    pub fn never(reason: &str) -> Self {
        Self::Never { reason: reason.to_owned() }
    }
}

impl Layer {
    /// Its name, as programs read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seccomp => "seccomp",
            Self::Landlock => "landlock",
            Self::PacketFilter => "packet-filter",
            Self::Resolver => "resolver",
            Self::AppManager => "app-manager",
            Self::Limit => "limit",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PacketFilter => "packet filter",
            Self::AppManager => "app manager",
            layer => layer.name(),
        })
    }
}

impl fmt::Display for Remedy {
    /// `add "tcp:10.0.2.2:8883" under network.connect in thermostat/nacre.yaml`,
    /// `set storage.data: 64KiB in …`, `never allowed: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest { app, field, line } => {
                if LISTS.contains(&field.as_str()) {
                    write!(f, "add \"{line}\" under {field}")?;
                } else {
                    write!(f, "set {field}: {line}")?;
                }
                write!(f, " in {}/nacre.yaml", app.rsplit('.').next().unwrap_or(app))
            }
            Self::Never { reason } => write!(f, "never allowed: {reason}"),
        }
    }
}

impl fmt::Display for Denial {
    /// The line of the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "denied: {} ({}) — {}", self.tried, self.layer, self.remedy)?;
        match (self.more, self.left_out) {
            (0, 0) => Ok(()),
            (more, 0) => write!(f, " ({more} more of these)"),
            (0, others) => write!(f, " ({others} others left out)"),
            (more, others) => write!(f, " ({more} more of these, {others} others left out)"),
        }
    }
}

impl Bounded for Denial {
    fn check(&self) -> Result<(), MessageError> {
        bound("a name", self.app.len(), MAX_NAME)?;
        bound("what was tried", self.tried.len(), MAX_TRIED)?;
        self.remedy.check()
    }
}

impl Bounded for Remedy {
    fn check(&self) -> Result<(), MessageError> {
        match self {
            Self::Manifest { app, field, line } => {
                bound("a name", app.len(), MAX_NAME)?;
                bound("a field", field.len(), MAX_REMEDY)?;
                bound("a line", line.len(), MAX_REMEDY)
            }
            Self::Never { reason } => bound("a reason", reason.len(), MAX_REMEDY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{decode, encode};

    fn denial(tried: &str, layer: Layer, remedy: Remedy) -> Denial {
        let app = "com.example.thermostat".to_owned();
        Denial { number: 1, uptime_ms: 2, app, layer, tried: tried.to_owned(), remedy, more: 0, left_out: 0 }
    }

    #[test]
    fn line_of_the_log_names_the_layer_and_the_line_that_allows_it() {
        let app = "com.example.thermostat";
        let connect = Remedy::manifest(app, "network.connect", "tcp:10.0.2.2:8883");
        let data = Remedy::manifest(app, "storage.data", "64KiB");
        let mut counted = denial("open /data/x for writing", Layer::Landlock, data.clone());
        (counted.more, counted.left_out) = (3, 2);
        for (denial, line) in [
            (
                denial("connect tcp 10.0.2.2:8883", Layer::PacketFilter, connect),
                "denied: connect tcp 10.0.2.2:8883 (packet filter) — add \"tcp:10.0.2.2:8883\" under network.connect in thermostat/nacre.yaml",
            ),
            (
                denial("open /data/x for writing", Layer::Landlock, data),
                "denied: open /data/x for writing (landlock) — set storage.data: 64KiB in thermostat/nacre.yaml",
            ),
            (
                denial("ptrace(PTRACE_ATTACH, 1)", Layer::Seccomp, Remedy::never("it takes over processes")),
                "denied: ptrace(PTRACE_ATTACH, 1) (seccomp) — never allowed: it takes over processes",
            ),
            (
                counted,
                "denied: open /data/x for writing (landlock) — set storage.data: 64KiB in thermostat/nacre.yaml (3 more of these, 2 others left out)",
            ),
        ] {
            assert_eq!(denial.to_string(), line);
        }
    }

    #[test]
    fn denial_encoded_comes_back_and_parts_over_their_bounds_are_refused() {
        let good = denial("x", Layer::Limit, Remedy::manifest("a.b", "limits.tasks", "8"));
        assert_eq!(decode::<Denial>(&encode(&good).unwrap()).unwrap(), good);
        let long = "x".repeat(MAX_REMEDY + 1);
        for bad in [
            denial(&long, Layer::Limit, Remedy::never("")),
            denial("", Layer::Limit, Remedy::never(&long)),
            denial("", Layer::Limit, Remedy::manifest("a.b", "system", &long)),
            Denial { app: long, ..good },
        ] {
            assert!(matches!(encode(&bad), Err(MessageError::TooLong(_))));
        }
    }
}
