//! What of an app's manifest this machine does not enforce, one line each.

use nacre_manifest::device::Manifest;
use nacre_sandbox::host::Caller;

use crate::host::Machine;

/// The lines, without an end of their own.
pub(crate) fn gaps(manifest: &Manifest, machine: &Machine) -> Vec<String> {
    let mut gaps = Vec::new();
    gaps.push("limits.memory and limits.cpu: it has no cgroup".to_owned());
    if manifest.data_bytes > 0 {
        gaps.push("storage.data: a folder without a quota".to_owned());
    }
    if manifest.network.is_some() {
        let ports = if machine.landlock < 4 { "nor TCP ports" } else { "but for TCP ports" };
        gaps.push(format!("network, {ports}: it has this machine's"));
    }
    if machine.caller == Caller::User {
        gaps.push(format!("a uid of its own: it has yours ({})", machine.uid));
    }
    if let Some(missing) = landlock(machine.landlock) {
        gaps.push(format!("{missing}: version {} here", machine.landlock));
    }
    if !machine.memory && !manifest.writable_executable {
        gaps.push("no code in memory that was writable: kernel before 6.3".to_owned());
    }
    for (names, what) in [(&manifest.devices.gpio, "devices.gpio"), (&manifest.devices.uart, "devices.uart")]
    {
        if !names.is_empty() {
            gaps.push(format!("{what} ({}): none here, and it is told so", names.join(", ")));
        }
    }
    if !manifest.peers.is_empty() {
        gaps.push("apps: no other app runs here, and it is told so".to_owned());
    }
    gaps
}

fn landlock(abi: u32) -> Option<&'static str> {
    match abi {
        0 => Some("Landlock on files, ports and signals"),
        1 => Some("Landlock on links, truncation, ports and signals"),
        2 => Some("Landlock on truncation, ports and signals"),
        3 => Some("Landlock on TCP ports, devices and signals"),
        4 => Some("Landlock on devices and signals"),
        5 => Some("Landlock on signals and abstract sockets"),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use nacre_manifest::device::{Devices, Health, Limits, Network, Restart, RestartPolicy};

    use super::*;

    /// An app that asks for nothing.
    pub(crate) fn manifest() -> Manifest {
        Manifest {
            app: "com.example.thermostat".parse().unwrap(),
            version: "1.0.0".into(),
            rollback_index: 1,
            run: vec!["/app/bin/thermostat".into()],
            critical: false,
            restart: Restart {
                policy: RestartPolicy::Never,
                backoff_min_ms: 1,
                backoff_max_ms: 1,
                limit_count: 1,
                limit_window_ms: 1,
            },
            limits: Limits {
                memory_bytes: 4 << 20,
                tasks: 8,
                cpu_permille: 250,
                open_files: 32,
                tmp_bytes: 0,
            },
            data_bytes: 0,
            system: vec![],
            peers: vec![],
            network: None,
            health: None::<Health>,
            devices: Devices::default(),
            events: vec![],
            writable_executable: false,
        }
    }

    #[test]
    fn gaps_of_a_machine_are_one_short_line_each() {
        let full = Machine { caller: Caller::Root, uid: 0, landlock: 7, memory: true };
        let least = "limits.memory and limits.cpu: it has no cgroup";
        assert_eq!(gaps(&manifest(), &full), [least]);
        let all = Manifest {
            data_bytes: 65_536,
            peers: vec!["a.b".parse().unwrap()],
            network: Some(Network { connect: vec![], listen: vec![] }),
            devices: Devices { gpio: vec!["LED1".into()], uart: vec!["console2".into()] },
            ..manifest()
        };
        let bare = Machine { caller: Caller::User, uid: 1000, landlock: 3, memory: false };
        let found = gaps(&all, &bare);
        assert_eq!(found.len(), 9, "{found:#?}");
        for line in &found {
            assert!(format!("notice: not enforced: {line}").len() <= 80, "{line}");
        }
    }
}
