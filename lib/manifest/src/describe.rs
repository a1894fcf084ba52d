//! What an app may do, in plain words.

use crate::device::{DeviceKind, EventKind, Manifest, Network, Port, Protocol, RestartPolicy, SystemGrant};

/// A sentence for each thing that the manifest grants, limits or withholds, in a fixed order; they read on
/// from the app's name, like "may use up to 2 MiB of memory".
pub fn describe(manifest: &Manifest) -> Vec<String> {
    let limits = &manifest.limits;
    let mut lines = vec![
        format!("runs `{}`", manifest.run.join(" ")),
        format!("may use up to {} of memory", size(limits.memory_bytes)),
        format!("may use up to {} of one CPU", share(limits.cpu_permille)),
        match limits.tasks {
            1 => "may run one process with one thread".to_owned(),
            tasks => format!("may run up to {tasks} processes and threads at once"),
        },
        format!("may have up to {} open at once", count(limits.open_files, "file", "files")),
        format!("may keep up to {} in /tmp, as part of its memory, until it ends", size(limits.tmp_bytes)),
    ];
    lines.push(match manifest.data_bytes {
        0 => "has no storage that lasts".to_owned(),
        bytes => format!("may store up to {} in /data, which lasts", size(bytes)),
    });
    for grant in &manifest.system {
        lines.push(match grant {
            SystemGrant::Stats => "may ask the OS for CPU time, memory and uptime of the device".to_owned(),
            SystemGrant::AppsStatus => "may ask the OS for state and restarts of every app".to_owned(),
        });
    }
    for peer in &manifest.peers {
        lines.push(format!("may exchange messages with {peer}"));
    }
    if manifest.peers.is_empty() {
        lines.push("may not exchange messages with other apps".to_owned());
    }
    match &manifest.network {
        None => lines.push("has no network".to_owned()),
        Some(network) => reach(network, &mut lines),
    }
    for kind in DeviceKind::ALL {
        let names = manifest.devices.of(kind).iter();
        lines.extend(names.map(|name| format!("is given the {} `{name}`, and no other app is", kind.noun())));
    }
    if manifest.devices.is_empty() {
        lines.push("has no devices".to_owned());
    }
    if manifest.writable_executable {
        lines.push("may make code at run time: memory that is writable and executable".to_owned());
    }
    for event in &manifest.events {
        lines.push(match event {
            EventKind::Shutdown => "is told before it is stopped".to_owned(),
        });
    }
    lines.push(restart(manifest));
    if let Some(health) = manifest.health {
        let most = time(health.heartbeat_ms);
        lines.push(format!("counts as crashed when it does not show within {most} that it is well"));
    }
    if manifest.critical {
        lines.push("is critical: a boot without it counts as failed".to_owned());
    }
    lines
}

fn reach(network: &Network, lines: &mut Vec<String>) {
    for remote in &network.connect {
        let verb = match remote.port.protocol {
            Protocol::Tcp => "connect",
            Protocol::Udp => "send",
        };
        lines.push(format!("may {verb} to {}, {}", remote.host, port(remote.port)));
    }
    if network.connect.is_empty() {
        lines.push("may connect to nothing in the network".to_owned());
    }
    for listen in &network.listen {
        lines.push(format!("is reached at {} of the device", port(*listen)));
    }
    if network.listen.is_empty() {
        lines.push("is not reached from the network".to_owned());
    }
}

fn port(port: Port) -> String {
    let protocol = match port.protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    };
    format!("{protocol} port {}", port.number)
}

fn restart(manifest: &Manifest) -> String {
    let restart = &manifest.restart;
    let after = match restart.policy {
        RestartPolicy::Never => return "is not started again when it ends".to_owned(),
        RestartPolicy::Always => "whenever it ends",
        RestartPolicy::OnFailure => "when it fails",
    };
    let pause = if restart.backoff_min_ms == restart.backoff_max_ms {
        time(restart.backoff_min_ms)
    } else {
        format!("{} to {}", time(restart.backoff_min_ms), time(restart.backoff_max_ms))
    };
    format!(
        "is started again {after}, after {pause}, at most {} within {}",
        count(restart.limit_count, "time", "times"),
        time(restart.limit_window_ms)
    )
}

fn count(number: u32, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Bytes in the largest binary unit that divides them.
fn size(bytes: u64) -> String {
    for (unit, factor) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes > 0 && bytes.is_multiple_of(factor) {
            return format!("{} {unit}", bytes / factor);
        }
    }
    format!("{bytes} bytes")
}

fn time(ms: u32) -> String {
    for (unit, factor) in [("h", 3_600_000), ("min", 60_000), ("s", 1_000)] {
        if ms > 0 && ms.is_multiple_of(factor) {
            return format!("{} {unit}", ms / factor);
        }
    }
    format!("{ms} ms")
}

/// Thousandths as a share.
pub(crate) fn share(permille: u32) -> String {
    match permille % 10 {
        0 => format!("{}%", permille / 10),
        tenth => format!("{}.{tenth}%", permille / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Devices, Host, Limits, Remote, Restart};

    fn manifest() -> Manifest {
        Manifest {
            app: "org.nacre.x".parse().expect("an id"),
            version: "1.0.0".to_owned(),
            rollback_index: 1,
            run: vec!["/app/bin/x".to_owned()],
            critical: false,
            restart: Restart {
                policy: RestartPolicy::Never,
                backoff_min_ms: 1_000,
                backoff_max_ms: 1_000,
                limit_count: 1,
                limit_window_ms: 1_500,
            },
            limits: Limits {
                memory_bytes: 1_572_864,
                tasks: 1,
                cpu_permille: 25,
                open_files: 32,
                tmp_bytes: 4097,
            },
            data_bytes: 0,
            system: Vec::new(),
            peers: Vec::new(),
            network: None,
            health: None,
            devices: Devices::default(),
            events: Vec::new(),
            writable_executable: false,
        }
    }

    #[test]
    fn description_of_an_app_without_grants_says_what_it_lacks() {
        assert_eq!(
            describe(&manifest()),
            [
                "runs `/app/bin/x`",
                "may use up to 1536 KiB of memory",
                "may use up to 2.5% of one CPU",
                "may run one process with one thread",
                "may have up to 32 files open at once",
                "may keep up to 4097 bytes in /tmp, as part of its memory, until it ends",
                "has no storage that lasts",
                "may not exchange messages with other apps",
                "has no network",
                "has no devices",
                "is not started again when it ends",
            ]
        );
    }

    #[test]
    fn description_of_a_network_says_each_port_and_what_is_not_there() {
        let said = |network: Network| {
            let lines = describe(&Manifest { network: Some(network), ..manifest() });
            let is_of_network = |line: &&String| line.contains("port") || line.contains("network");
            lines.iter().filter(is_of_network).cloned().collect::<Vec<_>>()
        };
        let tcp = |number| Port { protocol: Protocol::Tcp, number };
        let udp = |number| Port { protocol: Protocol::Udp, number };
        let connect = vec![
            Remote { host: Host::Address([10, 0, 2, 2]), port: udp(9000) },
            Remote { host: Host::Name("api.example.com".to_owned()), port: tcp(443) },
        ];
        assert_eq!(
            said(Network { connect, listen: vec![] }),
            [
                "may send to 10.0.2.2, UDP port 9000",
                "may connect to api.example.com, TCP port 443",
                "is not reached from the network",
            ]
        );
        assert_eq!(
            said(Network { connect: vec![], listen: vec![tcp(8080)] }),
            ["may connect to nothing in the network", "is reached at TCP port 8080 of the device"]
        );
    }

    #[test]
    fn description_of_a_restart_says_when_and_how_often() {
        let mut always = manifest();
        always.restart.policy = RestartPolicy::Always;
        let said = "is started again whenever it ends, after 1 s, at most 1 time within 1500 ms";
        assert_eq!(describe(&always).last().map(String::as_str), Some(said));
    }
}
