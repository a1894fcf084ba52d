//! Capabilities: those that Nacre has, and those that it has not, with the reason.

use nacre_diag::did_you_mean;
use nacre_manifest::app::bounds::{DATA_BLOCK, DATA_BOUNDS, MAX_PEERS};

use super::accepts;
use super::devices::{self, GPIO, UART};
use super::draft::{Entry, Grants, Left, add, has};
use super::hardware::Hardware;
use super::identity::{Identity, Kind, Peer, guid};
use super::json::{Field, Node, Value};
use super::network;
use super::reading::{Reading, field, short};

/// A capability that Nacre has no counterpart of.
struct Absent {
    name: &'static str,
    reason: &'static str,
    instead: &'static str,
}

const fn absent(name: &'static str, reason: &'static str, instead: &'static str) -> Absent {
    Absent { name, reason, instead }
}

const BUS: &str = "Nacre hands out GPIO lines and serial ports, and no other peripherals yet";
const BESIDE: &str =
    "leave it to a microcontroller that the app talks to over a serial port (`devices.uart`)";
const WIRED: &str = "use a board with Ethernet, or join the Wi-Fi with a bridge beside the device";
const CLOCK: &str = "remove the code that sets it; name the servers in the image's recipe (`time-servers`)";
const SERVER: &str = "let another machine of that network be the server";
const REBOOT: &str =
    "let the app end: it is started again; the device itself is restarted with `nacre device reboot`";
const UPDATE: &str = "this OS is not updated yet, so there is nothing to tell an app of";

const ABSENT: [Absent; 24] = [
    absent("I2cMaster", BUS, BESIDE),
    absent("SpiMaster", BUS, BESIDE),
    absent("Pwm", BUS, BESIDE),
    absent("Adc", BUS, BESIDE),
    absent("I2sSubordinate", BUS, BESIDE),
    absent("WifiConfig", "Nacre has no Wi-Fi yet", WIRED),
    absent("EnterpriseWifiConfig", "Nacre has no Wi-Fi yet", WIRED),
    absent(
        "NetworkConfig",
        "the OS alone sets up the network, and gets its address by DHCP; no app may change it",
        "remove the code that does it, and let the network's DHCP server give the device its address",
    ),
    absent(
        "ReadNetworkProxyConfig",
        "Nacre has no setting for a proxy",
        "list the proxy's own host and port under `network.connect`, and name it to the app in `run`",
    ),
    absent(
        "HardwareAddressConfig",
        "the hardware address is that of the network card; no app may change it",
        "set it where the board sets it: in its device tree or its boot loader",
    ),
    absent("DhcpService", "the OS of Nacre asks a DHCP server and is none", SERVER),
    absent("SntpService", "the OS of Nacre asks time servers and is none", SERVER),
    absent("TimeSyncConfig", "the OS alone decides whom it asks for the time", CLOCK),
    absent("SystemTime", "the OS alone sets the clock; the system call is denied to every app", CLOCK),
    absent(
        "CertStore",
        "Nacre has no store of certificates",
        "pack those that stay under `files`, and keep those that change in `/data` (`storage`)",
    ),
    absent(
        "DeviceAuthentication",
        "it names a tenant of Azure Sphere's cloud service, whose certificates Nacre doesn't get",
        "let the app keep a key and a certificate of its own in `/data` (`storage`)",
    ),
    absent(
        "HeapMemStats",
        "Nacre doesn't count within an app's heap",
        "`nacre device apps` shows what each app uses, and `system: [apps-status]` tells it to the app",
    ),
    absent(
        "ResetMemoryWatermarks",
        "Nacre has no such counters to reset",
        "`nacre device apps` shows what each app uses at the moment",
    ),
    absent(
        "SystemEventNotifications",
        UPDATE,
        "write `events: [shutdown]` if it is enough that the app learns of its end a second before",
    ),
    absent(
        "SoftwareUpdateDeferral",
        "this OS is not updated yet, so there is nothing to put off",
        "remove the code that does it",
    ),
    absent("ForceReboot", "no app may restart the device", REBOOT),
    absent(
        "ForcePowerDown",
        "no app may switch the device off",
        "`nacre device power-off` does it from outside",
    ),
    absent(
        "SetPowerProfile",
        "Nacre has no power profiles",
        "set the app's share of the processor with `limits.cpu`",
    ),
    absent("PowerControls", "no app decides about the device's power", "`nacre device` does, from outside"),
];

/// Capabilities that have a counterpart.
const PRESENT: [&str; 7] = [
    "AllowedConnections",
    "AllowedTcpServerPorts",
    "AllowedUdpServerPorts",
    "AllowedApplicationConnections",
    "Gpio",
    "Uart",
    "MutableStorage",
];

fn find(name: &str) -> Option<&'static Absent> {
    ABSENT.iter().find(|absent| absent.name.eq_ignore_ascii_case(name))
}

/// What the capabilities of a manifest come to.
#[derive(Default)]
pub(super) struct Read {
    pub(super) grants: Grants,
    pub(super) data_kib: Option<(u64, Entry)>,
}

/// What is known besides the manifest itself.
pub(super) struct Around<'a> {
    pub(super) own: Option<&'a Identity>,
    pub(super) hardware: Option<&'a Hardware>,
    pub(super) peers: &'a [Peer],
}

/// Reads all capabilities, in the order of the file.
pub(super) fn read(
    reading: &mut Reading<'_>,
    fields: &[Field],
    around: &Around<'_>,
    left: &mut Left,
) -> Read {
    let mut found = Read::default();
    let grants = &mut found.grants;
    for entry in fields {
        let node = &entry.value;
        let is = |name: &str| entry.key.eq_ignore_ascii_case(name);
        if is("AllowedConnections") {
            network::connections(reading, node, &mut grants.connect, left);
        } else if is("AllowedTcpServerPorts") {
            let server = ("AllowedTcpServerPorts", "tcp");
            network::ports_of_server(reading, node, server, &mut grants.listen, left);
        } else if is("AllowedUdpServerPorts") {
            let server = ("AllowedUdpServerPorts", "udp");
            network::ports_of_server(reading, node, server, &mut grants.listen, left);
        } else if is("AllowedApplicationConnections") {
            apps(reading, node, around, &mut grants.apps, left);
        } else if is("Gpio") {
            devices::read(reading, node, GPIO, around.hardware, &mut grants.gpio, left);
        } else if is("Uart") {
            devices::read(reading, node, UART, around.hardware, &mut grants.uart, left);
        } else if is("MutableStorage") {
            found.data_kib = storage(reading, node);
        } else if is("SystemEventNotifications") || is("SoftwareUpdateDeferral") {
            update(reading, entry, &mut grants.events, left);
        } else {
            absences(reading, entry, fields, left);
        }
    }
    found
}

/// AllowedApplicationConnections.
fn apps(
    reading: &mut Reading<'_>,
    node: &Node,
    around: &Around<'_>,
    entries: &mut Vec<Entry>,
    left: &mut Left,
) {
    let Some(items) = reading.list(node, "AllowedApplicationConnections") else { return };
    for (index, item) in items.iter().enumerate() {
        let from = format!("AllowedApplicationConnections[{index}]");
        let Some(text) = reading.text(item, &from) else { continue };
        let Some(guid) = guid(text) else {
            let hint = "write the ComponentId of the other app";
            reading.bad(&item.at, format!("`{from}`: `{}` is not a GUID", short(text)), hint);
            continue;
        };
        let peer = around.peers.iter().find(|peer| peer.identity.guid == guid);
        let Some(Peer { identity: peer, file }) = peer else {
            let instead = "give that app's own manifest with --peer, or add its id under `apps`";
            left.push(
                &from,
                item,
                "Nacre names apps by id, and which app has this ComponentId isn't known",
                instead,
            );
            continue;
        };
        if peer.kind != Kind::Default {
            let reason = format!("`{file}` is no high-level app, and Nacre runs no other ones");
            left.push(&from, item, reason, BESIDE);
        } else if around.own.is_some_and(|own| own.id == peer.id) {
            let reason =
                format!("`{file}` has the same id: its Name is the same, but for case and punctuation");
            left.push(&from, item, reason, "give one of the two another Name, and import both again");
        } else if entries.len() >= MAX_PEERS && !has(entries, &peer.id) {
            let reason = format!("an app of Nacre talks to at most {MAX_PEERS} others");
            left.push(&from, item, reason, "let one of them pass messages on");
        } else {
            let note =
                format!("ComponentId {guid}, Name \"{}\"; it must list this app as well", short(&peer.name));
            add(entries, Entry::new(&peer.id, from, note));
        }
    }
}

/// Blocks that the app's folder itself takes of its quota: one for the folder, one for the list of a file's blocks.
const FOLDER_KIB: u64 = 2;

/// MutableStorage.
fn storage(reading: &mut Reading<'_>, node: &Node) -> Option<(u64, Entry)> {
    let fields = reading.map(node, "MutableStorage")?;
    let Some(size) = field(fields, "SizeKB") else {
        reading.bad(&node.at, "missing field `SizeKB` in `MutableStorage`", "add it, like `{\"SizeKB\": 8}`");
        return None;
    };
    let most = u32::try_from(DATA_BOUNDS.end() / DATA_BLOCK).unwrap_or(u32::MAX) - 2;
    let kib = reading.number(&size.value, "MutableStorage.SizeKB", 0..=most)?;
    if kib == 0 {
        return None;
    }
    let all = u64::from(kib) + FOLDER_KIB;
    let note = format!(
        "{kib} KiB for the one file, which is any file in /data now, and {FOLDER_KIB} for the folder"
    );
    Some((all, Entry::new(format!("{all}KiB"), "MutableStorage.SizeKB", note)))
}

/// What tells an app of updates.
fn update(reading: &mut Reading<'_>, field: &Field, entries: &mut Vec<Entry>, left: &mut Left) {
    let Some(absent) = find(&field.key) else { return };
    match reading.flag(&field.value, absent.name) {
        Some(true) if accepts::line("events: [update]").is_ok() => {
            add(entries, Entry::new("update", absent.name, ""));
        }
        Some(true) => left.push(absent.name, &field.value, absent.reason, absent.instead),
        _ => {}
    }
}

/// What Nacre doesn't have.
fn absences(reading: &mut Reading<'_>, entry: &Field, fields: &[Field], left: &mut Left) {
    let Some(absent) = find(&entry.key) else { return unknown(reading, entry, fields, left) };
    match &entry.value.value {
        // It asks for nothing, so nothing is lost.
        Value::Bool(false) | Value::Null => {}
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let named = match &item.value {
                    Value::Text(text) if absent.name == "PowerControls" => find(text).unwrap_or(absent),
                    _ => absent,
                };
                left.push(&format!("{}[{index}]", absent.name), item, named.reason, named.instead);
            }
        }
        _ => left.push(absent.name, &entry.value, absent.reason, absent.instead),
    }
}

/// What Azure Sphere doesn't have either: a slip, or somebody's own.
fn unknown(reading: &mut Reading<'_>, entry: &Field, fields: &[Field], left: &mut Left) {
    let known = ABSENT.iter().map(|absent| absent.name).chain(PRESENT);
    match did_you_mean(&entry.key, known.filter(|name| field(fields, name).is_none())) {
        Some(near) => {
            let message = format!("`{}` is no capability of Azure Sphere", short(&entry.key));
            reading.bad(&entry.key_at, message, format!("did you mean `{near}`?"));
        }
        None => left.push(
            &short(&entry.key),
            &entry.value,
            "it is no capability of Azure Sphere that is known here",
            "see whether the app needs it at all",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capability_has_one_name_and_ends_without_a_full_stop() {
        let mut names: Vec<_> = ABSENT.iter().map(|absent| absent.name).chain(PRESENT).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ABSENT.len() + PRESENT.len());
        for absent in &ABSENT {
            for text in [absent.reason, absent.instead] {
                assert!(!text.is_empty() && !text.ends_with('.') && !text.contains("  "), "{}", absent.name);
            }
        }
    }
}
