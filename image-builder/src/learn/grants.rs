//! What a manifest grants, as the lines that grant it.

use std::collections::BTreeMap;

use nacre_manifest::device::{
    DeviceKind, Devices, EventKind, Health, Host, Manifest, Network, Port, Protocol, Remote, SystemGrant,
};
use nacre_manifest::show_size;
use nacre_wire::denial::{Denial, Remedy};

/// Fields that have a list of lines.
pub(super) const LISTS: [&str; 7] =
    ["network.connect", "network.listen", "system", "apps", "events", "devices.gpio", "devices.uart"];
/// Fields that have one value.
pub(super) const VALUES: [&str; 3] = ["storage.data", "health.heartbeat", "memory.writable-executable"];

/// Field and line, with what was tried without it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Grants {
    lines: BTreeMap<(String, String), String>,
    /// It made sockets of IPv4, and is let.
    network: bool,
}

/// What a denial brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Another grant.
    New,
    /// Nothing that was not known.
    Known,
    /// No manifest allows it; what was tried and why.
    Never(String),
}

impl Grants {
    /// Those of a manifest.
    pub(super) fn of(manifest: &Manifest) -> Self {
        let mut all = Self { network: manifest.network.is_some(), ..Self::default() };
        let mut add = |field: &str, line: String| drop(all.lines.insert((field.into(), line), String::new()));
        for remote in manifest.network.iter().flat_map(|network| &network.connect) {
            add("network.connect", remote.to_string());
        }
        for port in manifest.network.iter().flat_map(|network| &network.listen) {
            add("network.listen", port.to_string());
        }
        for grant in &manifest.system {
            let name = match grant {
                SystemGrant::Stats => "stats",
                SystemGrant::AppsStatus => "apps-status",
            };
            add("system", name.to_owned());
        }
        manifest.peers.iter().for_each(|peer| add("apps", peer.to_string()));
        for EventKind::Shutdown in &manifest.events {
            add("events", "shutdown".to_owned());
        }
        for (kind, field) in [(DeviceKind::Gpio, "devices.gpio"), (DeviceKind::Uart, "devices.uart")] {
            manifest.devices.of(kind).iter().for_each(|name| add(field, name.clone()));
        }
        if manifest.data_bytes > 0 {
            add("storage.data", show_size(manifest.data_bytes));
        }
        if let Some(health) = manifest.health {
            let line = match health.heartbeat_ms {
                millis if millis % 1000 == 0 => format!("{}s", millis / 1000),
                millis => format!("{millis}ms"),
            };
            add("health.heartbeat", line);
        }
        if manifest.writable_executable {
            add("memory.writable-executable", "true".to_owned());
        }
        all
    }

    /// Takes what a denial says would allow it.
    pub(super) fn take(&mut self, denial: &Denial) -> Taken {
        let (field, line) = match &denial.remedy {
            Remedy::Never { reason } => return Taken::Never(format!("{}: {reason}", denial.tried)),
            Remedy::Manifest { field, line, .. } => (field.clone(), line.clone()),
        };
        // Which machine is only known once it may have a socket.
        if line.contains("HOST:PORT") {
            return if std::mem::replace(&mut self.network, true) { Taken::Known } else { Taken::New };
        }
        if !LISTS.contains(&field.as_str()) && !VALUES.contains(&field.as_str()) {
            return Taken::Known;
        }
        let known = VALUES.contains(&field.as_str()) && self.lines.keys().any(|(of, _)| *of == field);
        let before = self.lines.len();
        if !known {
            self.lines.entry((field, line)).or_insert_with(|| denial.tried.clone());
        }
        if self.lines.len() > before { Taken::New } else { Taken::Known }
    }

    /// A manifest that grants these and nothing else. The device has one of that name as far as the app is told.
    pub(super) fn applied_to(&self, manifest: &Manifest) -> Manifest {
        let lines = |field: &str| self.of_field(field).into_iter();
        let network = self.network.then(|| Network {
            connect: lines("network.connect").filter_map(|(line, _)| remote(line)).collect(),
            listen: lines("network.listen").filter_map(|(line, _)| port(line)).collect(),
        });
        let names = |field: &str| lines(field).map(|(line, _)| line.to_owned()).collect();
        let has = |field: &str, line: &str| lines(field).any(|(other, _)| other == line);
        let mut system = Vec::new();
        system.extend(has("system", "stats").then_some(SystemGrant::Stats));
        system.extend(has("system", "apps-status").then_some(SystemGrant::AppsStatus));
        Manifest {
            network,
            system,
            peers: lines("apps").filter_map(|(line, _)| line.parse().ok()).collect(),
            events: lines("events").map(|_| EventKind::Shutdown).take(1).collect(),
            devices: Devices { gpio: names("devices.gpio"), uart: names("devices.uart") },
            data_bytes: if lines("storage.data").count() > 0 { manifest.data_bytes.max(64 << 10) } else { 0 },
            // How long it may be silent is not learned: an hour ends no run.
            health: lines("health.heartbeat").next().map(|_| Health { heartbeat_ms: 3_600_000 }),
            writable_executable: has("memory.writable-executable", "true"),
            ..manifest.clone()
        }
    }

    /// The lines of a field, with what was tried.
    pub(super) fn of_field(&self, field: &str) -> Vec<(&str, &str)> {
        let of = self.lines.iter().filter(|((of, _), _)| of == field);
        of.map(|((_, line), tried)| (line.as_str(), tried.as_str())).collect()
    }

    /// Whether it covers a line: the same, or one that means it. A name stands for an address that it may have.
    fn covers(&self, field: &str, line: &str) -> bool {
        self.of_field(field).iter().any(|(other, _)| {
            *other == line || VALUES.contains(&field) || (field == "network.connect" && may_be(other, line))
        })
    }

    /// What these have and `others` don't: field, line, what was tried.
    pub(super) fn beyond(&self, others: &Self) -> Vec<[String; 3]> {
        let beyond = self.lines.iter().filter(|((field, line), _)| !others.covers(field, line));
        beyond.map(|((field, line), tried)| [field.clone(), line.clone(), tried.clone()]).collect()
    }

    /// What these grant and nobody asked for. Of UDP that can't be told.
    pub(super) fn unused(&self, seen: &Self) -> Vec<[String; 2]> {
        let unused = self.lines.keys().filter(|(field, line)| {
            let tellable = !(field.starts_with("network.") && line.starts_with("udp:"));
            tellable && !seen.covers(field, line)
        });
        unused.map(|(field, line)| [field.clone(), line.clone()]).collect()
    }

    /// These without what nobody asked for, and with what was asked for beyond them.
    pub(super) fn without_unused(&self, seen: &Self) -> Self {
        let unused = self.unused(seen);
        let mut lines = self.lines.clone();
        lines.retain(|(field, line), _| !unused.contains(&[field.clone(), line.clone()]));
        lines.extend(seen.beyond(self).into_iter().map(|[field, line, tried]| ((field, line), tried)));
        Self { lines, network: self.network }
    }

    /// Field and line of each.
    pub(super) fn names(&self) -> Vec<&(String, String)> {
        self.lines.keys().collect()
    }
}

/// Whether two entries of `connect` may mean the same: one has a name, and protocol and port are equal.
fn may_be(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (remote(one), remote(other)) else { return false };
    let named = matches!(one.host, Host::Name(_)) != matches!(other.host, Host::Name(_));
    named && one.port == other.port
}

fn port(text: &str) -> Option<Port> {
    let (protocol, number) = text.split_once(':')?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    Some(Port { protocol, number: number.parse().ok()? })
}

fn remote(text: &str) -> Option<Remote> {
    let (protocol, rest) = text.split_once(':')?;
    let (host, number) = rest.rsplit_once(':')?;
    let host = match host.parse::<std::net::Ipv4Addr>() {
        Ok(address) => Host::Address(address.octets()),
        Err(_) => Host::Name(host.to_owned()),
    };
    Some(Remote { host, port: port(&format!("{protocol}:{number}"))? })
}

#[cfg(test)]
pub(super) mod tests {
    use nacre_wire::denial::Layer;

    use super::*;

    pub(crate) fn manifest(more: &str) -> (String, Manifest) {
        let text = format!(
            "app: org.example.x\nversion: 1.0.0\nbuild: none\nrun: [/app/bin/x]\nfiles: {{ /app/bin/x: x }}\n{more}"
        );
        let parsed = nacre_manifest::app::parse(&text, "nacre.yaml").expect("a good manifest").manifest;
        (text, parsed)
    }

    pub(crate) fn denial(field: &str, line: &str, tried: &str) -> Denial {
        Denial {
            number: 1,
            uptime_ms: 0,
            app: "org.example.x".into(),
            layer: Layer::Seccomp,
            tried: tried.into(),
            remedy: Remedy::manifest("org.example.x", field, line),
            more: 0,
            left_out: 0,
        }
    }

    #[test]
    fn denials_become_grants_of_the_next_run_and_are_new_once() {
        let (_, manifest) = manifest("");
        let mut seen = Grants::default();
        let socket = denial("network.connect", "tcp:HOST:PORT", "socket()");
        assert_eq!((seen.take(&socket), seen.take(&socket)), (Taken::New, Taken::Known));
        assert!(seen.applied_to(&manifest).network.unwrap().connect.is_empty());
        for (field, line) in [
            ("network.connect", "tcp:10.0.2.2:8883"),
            ("network.listen", "tcp:80"),
            ("system", "stats"),
            ("apps", "org.example.y"),
            ("events", "shutdown"),
            ("devices.gpio", "LED1"),
            ("storage.data", "64KiB"),
            ("health.heartbeat", "30s"),
            ("memory.writable-executable", "true"),
        ] {
            let one = denial(field, line, "x");
            assert_eq!((seen.take(&one), seen.take(&one)), (Taken::New, Taken::Known), "{field}");
        }
        let granted = seen.applied_to(&manifest);
        assert_eq!(Grants::of(&granted).of_field("network.connect"), [("tcp:10.0.2.2:8883", "")]);
        assert_eq!(granted.network.unwrap().listen.len(), 1);
        assert_eq!((granted.system.len(), granted.peers.len(), granted.events.len()), (1, 1, 1));
        assert!(granted.data_bytes > 0 && granted.health.is_some() && granted.writable_executable);
        let never = Denial { remedy: Remedy::never("so it is"), ..socket };
        assert_eq!(seen.take(&never), Taken::Never("socket(): so it is".into()));
    }

    #[test]
    fn name_covers_an_address_with_its_port_and_udp_is_never_called_unused() {
        let (_, granted) = manifest(
            "network: { connect: [\"tcp:api.example.com:443\", \"tcp:b.example.com:80\", \"udp:10.0.0.1:53\"] }\n",
        );
        let granted = Grants::of(&granted);
        let mut seen = Grants::default();
        seen.take(&denial("network.connect", "tcp:192.0.2.7:443", "connect"));
        assert!(seen.beyond(&granted).is_empty());
        assert_eq!(
            granted.unused(&seen),
            [["network.connect".to_owned(), "tcp:b.example.com:80".to_owned()]]
        );
    }
}
