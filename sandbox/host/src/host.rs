//! What this machine is and has.

use std::fs;

use nacre_sandbox::host::Caller;
use nacre_sys::{landlock, memory};
use nix::unistd::geteuid;

/// Capabilities that the launcher needs as root, by their numbers (linux/capability.h): `SETGID`, `SETUID`, `SETPCAP`,
/// `SYS_ADMIN`.
const NEEDED: u64 = 1 << 6 | 1 << 7 | 1 << 8 | 1 << 21;

/// What the sandbox is made of here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Who starts the app.
    pub(crate) caller: Caller,
    /// His uid.
    pub(crate) uid: u32,
    /// Version of the kernel's Landlock interface.
    pub(crate) landlock: u32,
    /// Whether memory that is writable and executable can be denied.
    pub(crate) memory: bool,
}

impl Machine {
    /// Looks.
    pub(crate) fn look() -> Self {
        let uid = geteuid().as_raw();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
        let root = uid == 0 && effective & NEEDED == NEEDED;
        Self {
            caller: if root { Caller::Root } else { Caller::User },
            uid,
            landlock: landlock::abi(),
            memory: memory::can_deny_write_execute(),
        }
    }

    /// The uid of an app outside of its user namespace.
    pub(crate) fn app_uid(&self, app: &str) -> u32 {
        match self.caller {
            Caller::User => self.uid,
            Caller::Root => {
                // FNV-1a: the same number for an app each time, among those that systemd gives to services without a
                // user of their own, which nobody else has.
                let hash = app
                    .bytes()
                    .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
                61_184 + hash % (65_520 - 61_184)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_of_root_has_a_uid_of_its_own_and_one_of_a_user_has_his() {
        let machine = |caller, uid| Machine { caller, uid, landlock: 6, memory: true };
        let root = machine(Caller::Root, 0);
        for app in ["com.example.thermostat", "a.b", ""] {
            assert!((61_184..65_520).contains(&root.app_uid(app)));
            assert_eq!(root.app_uid(app), root.app_uid(app));
            assert_eq!(machine(Caller::User, 1000).app_uid(app), 1000);
        }
        assert_ne!(root.app_uid("a.b"), root.app_uid("a.c"));
    }
}
