//! Every attack: what it is after, how the witness sees it, and its code.

use serde_json::json;

use crate::attacks;
use crate::call::Outcome;
use crate::order::Order;
use crate::witness::scene::Scene;

/// Component ids of the three apps.
pub(crate) const ATTACKER: &str = "org.nacre.attacker";
/// See [`ATTACKER`].
pub(crate) const VICTIM: &str = "org.nacre.victim";
/// See [`ATTACKER`].
pub(crate) const WITNESS: &str = "org.nacre.witness";

/// One attack.
pub(crate) struct Attack {
    /// Its name: `[a-z0-9-]`, unique.
    pub(crate) name: &'static str,
    /// Its goal, as a sentence without full stop: what the attacker then has or has done.
    pub(crate) goal: &'static str,
    /// What the witness prepares and looks for.
    pub(crate) scene: Scene,
    /// The attack itself. `Ok` says that there is something to see.
    pub(crate) run: fn(&Order) -> Outcome,
}

/// Attacks of a kind.
pub(crate) struct Family {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its attacks.
    pub(crate) attacks: &'static [Attack],
}

/// All of them, in the order in which they are run.
pub(crate) const FAMILIES: &[Family] = &[
    Family { name: "namespaces", attacks: attacks::namespaces::ATTACKS },
    Family { name: "memory", attacks: attacks::memory::ATTACKS },
    Family { name: "kernel", attacks: attacks::kernel::ATTACKS },
    Family { name: "files", attacks: attacks::files::ATTACKS },
    Family { name: "ipc", attacks: attacks::ipc::ATTACKS },
    Family { name: "network", attacks: attacks::network::ATTACKS },
    Family { name: "channel", attacks: attacks::channel::ATTACKS },
    Family { name: "persistence", attacks: attacks::persistence::ATTACKS },
    Family { name: "resources", attacks: attacks::resources::ATTACKS },
];

/// Attacks on what only this architecture has.
const ONLY_X86_64: [&str; 3] = ["32-bit-entry", "x32-entry", "io-ports"];

/// Attacks on what the image's own kernel doesn't have: without any layer they win on the control kernel only.
const ONLY_CONTROL_KERNEL: &[&str] = &[
    "32-bit-entry",
    "asynchronous-io",
    "bpf",
    "core-pattern",
    "debugfs",
    "fanotify",
    "io-ports",
    "io-uring",
    "ipv6",
    "kernel-addresses",
    "kexec",
    "key-ring",
    "loop-device",
    "module",
    "open-by-handle",
    "perf-event",
    "physical-memory",
    "proc-self-mem",
    "process-vm-readv",
    "process-vm-writev",
    "raw-frame",
    "sctp",
    "shared-memory",
    "sniffing",
    "sysrq",
    "userfaultfd",
    "usermode-helper",
    "x32-entry",
];

/// The attack of a name.
pub(crate) fn find(name: &str) -> Option<&'static Attack> {
    FAMILIES.iter().flat_map(|family| family.attacks).find(|attack| attack.name == name)
}

/// The catalogue as data, for who runs it.
pub(crate) fn json() -> String {
    let attacks = FAMILIES.iter().flat_map(|family| {
        family.attacks.iter().map(|attack| {
            json!({
                "name": attack.name,
                "family": family.name,
                "goal": attack.goal,
                "seen": attack.scene.seen_by,
                "control_kernel": ONLY_CONTROL_KERNEL.contains(&attack.name),
                "only": ONLY_X86_64.contains(&attack.name).then_some("x86_64"),
            })
        })
    });
    let lines: Vec<String> = attacks.map(|attack| format!("  {attack}")).collect();
    format!("[\n{}\n]", lines.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cargo run -p nacre-attacker -- catalogue >tests/attacker/catalogue.json` makes it anew.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn catalogue_file_is_that_of_the_program() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue.json");
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(found.trim_end(), json(), "{path} is stale");
        for name in ONLY_X86_64 {
            assert!(find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn names_are_unique_and_goals_are_sentences() {
        let attacks: Vec<&Attack> = FAMILIES.iter().flat_map(|family| family.attacks).collect();
        let names: std::collections::BTreeSet<&str> = attacks.iter().map(|attack| attack.name).collect();
        assert_eq!(names.len(), attacks.len());
        for attack in &attacks {
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(attack.name.chars().all(good) && attack.name.len() <= 28, "{}", attack.name);
            assert!(
                !attack.goal.ends_with('.') && attack.goal.contains(' '),
                "{}: {}",
                attack.name,
                attack.goal
            );
        }
    }
}
