//! What an app may do, in plain words.

use crate::device::{DeviceKind, EventKind, Manifest, Network, Port, Protocol, RestartPolicy, SystemGrant};

/// What a sentence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// The program.
    Program,
    /// How much it may use of what every app has.
    Limit,
    /// What it may do beyond what every app may.
    Grant,
    /// What it was not granted, so that nobody has to know what there is.
    Lack,
    /// When it is started again, and what follows its end.
    Conduct,
}

/// One thing that a manifest grants, limits or withholds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// What it is about.
    pub topic: Topic,
    /// Reads on from the app's name: `may use up to 2 MiB of memory`.
    pub text: String,
    /// The field behind it, where the manifest has one value of it and not a list.
    pub value: Option<FieldValue>,
}

/// A field of the manifest and its value in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldValue {
    /// As `nacre.yaml` has it: `limits.memory`.
    pub field: &'static str,
    /// `2 MiB`.
    pub value: String,
}

impl Sentence {
    fn of(topic: Topic, text: impl Into<String>) -> Self {
        Self { topic, text: text.into(), value: None }
    }

    fn with(topic: Topic, field: &'static str, value: String, text: impl FnOnce(&str) -> String) -> Self {
        Self { topic, text: text(&value), value: Some(FieldValue { field, value }) }
    }

    /// With a capital letter and a full stop: `May use up to 2 MiB of memory.`
    pub fn whole(&self) -> String {
        let mut rest = self.text.chars();
        let first = rest.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(rest).chain(['.']).collect()
    }
}

/// The texts of all [`sentences`].
pub fn describe(manifest: &Manifest) -> Vec<String> {
    sentences(manifest).into_iter().map(|sentence| sentence.text).collect()
}

/// A sentence for each thing that the manifest grants, limits or withholds, in a fixed order.
pub fn sentences(manifest: &Manifest) -> Vec<Sentence> {
    let program =
        Sentence::with(Topic::Program, "run", manifest.run.join(" "), |run| format!("runs `{run}`"));
    let mut said = vec![program];
    limits(manifest, &mut said);
    said.push(match manifest.data_bytes {
        0 => Sentence::of(Topic::Lack, "keeps no data across restarts"),
        bytes => Sentence::with(Topic::Grant, "storage.data", size(bytes), |size| {
            format!("keeps up to {size} of data in /data across restarts and updates")
        }),
    });
    let mut grant = |text: String| said.push(Sentence::of(Topic::Grant, text));
    for system in &manifest.system {
        grant(match system {
            SystemGrant::Stats => "may ask the OS for CPU time, memory and uptime of the device".to_owned(),
            SystemGrant::AppsStatus => "may ask the OS for state and restarts of every app".to_owned(),
        });
    }
    for peer in &manifest.peers {
        grant(format!("may exchange messages with {peer}"));
    }
    if manifest.peers.is_empty() {
        said.push(Sentence::of(Topic::Lack, "may not exchange messages with other apps"));
    }
    match &manifest.network {
        None => said.push(Sentence::of(Topic::Lack, "may not use the network")),
        Some(network) => reach(network, &mut said),
    }
    let mut grant = |text: String| said.push(Sentence::of(Topic::Grant, text));
    for kind in DeviceKind::ALL {
        for name in manifest.devices.of(kind) {
            grant(format!("is given the {} `{name}`, and no other app is", kind.noun()));
        }
    }
    if manifest.writable_executable {
        grant("may make code at run time: memory that is writable and executable".to_owned());
    }
    for event in &manifest.events {
        grant(match event {
            EventKind::Shutdown => "is told before it is stopped".to_owned(),
        });
    }
    if manifest.devices.is_empty() {
        said.push(Sentence::of(Topic::Lack, "may use no device of the board"));
    }
    conduct(manifest, &mut said);
    said
}

fn limits(manifest: &Manifest, said: &mut Vec<Sentence>) {
    let limits = &manifest.limits;
    let mut limit = |field, value, text: fn(&str) -> String| {
        said.push(Sentence::with(Topic::Limit, field, value, text));
    };
    limit("limits.memory", size(limits.memory_bytes), |most| format!("may use up to {most} of memory"));
    limit("limits.cpu", share(limits.cpu_permille), |most| format!("may use up to {most} of one CPU"));
    limit("limits.tasks", limits.tasks.to_string(), |most| match most {
        "1" => "may run one process with one thread".to_owned(),
        most => format!("may run up to {most} processes and threads at once"),
    });
    limit("limits.open-files", count(limits.open_files, "file", "files"), |most| {
        format!("may have up to {most} open at once")
    });
    limit("limits.tmp", size(limits.tmp_bytes), |most| {
        format!("may keep up to {most} in /tmp, as part of its memory, until it ends")
    });
}

fn reach(network: &Network, said: &mut Vec<Sentence>) {
    for remote in &network.connect {
        let verb = match remote.port.protocol {
            Protocol::Tcp => "connect",
            Protocol::Udp => "send",
        };
        let text = format!("may {verb} to {}, {}", remote.host, port(remote.port));
        said.push(Sentence::of(Topic::Grant, text));
    }
    if network.connect.is_empty() {
        said.push(Sentence::of(Topic::Lack, "may connect to nothing in the network"));
    }
    for listen in &network.listen {
        let what = match listen.protocol {
            Protocol::Tcp => "connections",
            Protocol::Udp => "packets",
        };
        let text = format!("accepts {what} on {} of the device", port(*listen));
        said.push(Sentence::of(Topic::Grant, text));
    }
    if network.listen.is_empty() {
        said.push(Sentence::of(Topic::Lack, "is not reached from the network"));
    }
}

fn conduct(manifest: &Manifest, said: &mut Vec<Sentence>) {
    let restart = Sentence::with(Topic::Conduct, "restart", restart(manifest), |when| format!("is {when}"));
    said.push(restart);
    if let Some(health) = manifest.health {
        said.push(Sentence::with(Topic::Conduct, "health.heartbeat", time(health.heartbeat_ms), |most| {
            format!("counts as crashed when it does not show within {most} that it is well")
        }));
    }
    if manifest.critical {
        said.push(Sentence::with(Topic::Conduct, "critical", "yes".to_owned(), |_| {
            "is critical: a boot without it counts as failed".to_owned()
        }));
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
        RestartPolicy::Never => return "not started again when it ends".to_owned(),
        RestartPolicy::Always => "whenever it ends",
        RestartPolicy::OnFailure => "when it fails",
    };
    let pause = if restart.backoff_min_ms == restart.backoff_max_ms {
        time(restart.backoff_min_ms)
    } else {
        format!("{} to {}", time(restart.backoff_min_ms), time(restart.backoff_max_ms))
    };
    format!(
        "started again {after}, after {pause}, at most {} within {}",
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
                "keeps no data across restarts",
                "may not exchange messages with other apps",
                "may not use the network",
                "may use no device of the board",
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
            ["may connect to nothing in the network", "accepts connections on TCP port 8080 of the device"]
        );
    }

    #[test]
    fn sentence_as_a_whole_has_a_capital_and_a_full_stop() {
        let all = sentences(&manifest());
        let lacks: Vec<String> =
            all.iter().filter(|said| said.topic == Topic::Lack).map(Sentence::whole).collect();
        assert_eq!(
            lacks,
            [
                "Keeps no data across restarts.",
                "May not exchange messages with other apps.",
                "May not use the network.",
                "May use no device of the board.",
            ]
        );
        let memory = all.iter().filter_map(|said| said.value.as_ref()).nth(1).expect("the memory");
        assert_eq!((memory.field, memory.value.as_str()), ("limits.memory", "1536 KiB"));
    }

    #[test]
    fn description_of_a_restart_says_when_and_how_often() {
        let mut always = manifest();
        always.restart.policy = RestartPolicy::Always;
        let said = "is started again whenever it ends, after 1 s, at most 1 time within 1500 ms";
        assert_eq!(describe(&always).last().map(String::as_str), Some(said));
    }
}
