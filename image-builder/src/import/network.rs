//! AllowedConnections and the two lists of server ports.

use nacre_manifest::app::bounds::{MAX_CONNECT, MAX_LISTEN};

use super::accepts::{self, Refusal};
use super::draft::{Entry, Left, add, has};
use super::json::{Node, shown};
use super::reading::Reading;
use super::yaml::quoted;

/// The port that is opened of each host: HTTPS, and what else wants to pass through firewalls.
const PORT: u16 = 443;

/// Reads AllowedConnections.
pub(super) fn connections(reading: &mut Reading<'_>, node: &Node, entries: &mut Vec<Entry>, left: &mut Left) {
    let Some(items) = reading.list(node, "AllowedConnections") else { return };
    for (index, item) in items.iter().enumerate() {
        let from = format!("AllowedConnections[{index}]");
        let Some(text) = reading.text(item, &from) else { continue };
        // The DNS knows neither case nor a dot at the end.
        let host = text.trim().to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let line = format!("tcp:{host}:{PORT}");
        if entries.len() >= MAX_CONNECT && !has(entries, &line) {
            let reason = format!("an app of Nacre has at most {MAX_CONNECT} lines of `network.connect`");
            left.push(&from, item, reason, "remove lines that are not needed, or make two apps of it");
            continue;
        }
        // Of an address of the web or a host with its port, the reason below would be another one.
        if host.contains("://") || host.matches(':').count() == 1 {
            let instead = "write its parts under `network.connect`, like \"tcp:api.example.com:443\"";
            left.push(&from, item, "it is more than a host's name or address", instead);
            continue;
        }
        if let Err(Refusal { reason, hint }) =
            accepts::line(&format!("network: {{ connect: [{}] }}", quoted(&line)))
        {
            let instead =
                if hint.is_empty() { "write a host's name or its IPv4 address".to_owned() } else { hint };
            left.push(&from, item, format!("Nacre takes no such host: {reason}"), instead);
            continue;
        }
        let note = format!("{}; the port is not there: {PORT} is a guess", shown(&item.to_json()));
        add(entries, Entry::new(line, &from, note));
        left.push(&from, item, PORTS, ports(host));
    }
}

const PORTS: &str = "Azure Sphere opened every port and protocol of this host, and doesn't say which the app uses; \
    Nacre opens those that are listed, and of this host TCP port 443 is";

/// What helps if 443 is not the port.
fn ports(host: &str) -> &'static str {
    let is_cloud =
        ["azure-devices.net", "azure-devices-provisioning.net"].iter().any(|zone| host.ends_with(zone));
    if is_cloud {
        "MQTT to Azure IoT has port 8883: write it in the place of 443, unless the app uses websockets or HTTPS"
    } else {
        "if the app uses another one, write it under `network.connect`, like \"tcp:HOST:8883\" or \"udp:HOST:123\"; \
         the log names the line that is missing"
    }
}

/// Reads AllowedTcpServerPorts (`tcp`) or AllowedUdpServerPorts (`udp`).
pub(super) fn ports_of_server(
    reading: &mut Reading<'_>,
    node: &Node,
    (capability, protocol): (&str, &str),
    entries: &mut Vec<Entry>,
    left: &mut Left,
) {
    let Some(items) = reading.list(node, capability) else { return };
    for (index, item) in items.iter().enumerate() {
        let from = format!("{capability}[{index}]");
        let Some(port) = reading.number(item, &from, 1..=65_535) else { continue };
        let line = format!("{protocol}:{port}");
        if entries.len() >= MAX_LISTEN && !has(entries, &line) {
            let reason = format!("an app of Nacre has at most {MAX_LISTEN} lines of `network.listen`");
            left.push(&from, item, reason, "remove ports that are not needed, or make two apps of it");
            continue;
        }
        match accepts::line(&format!("network: {{ listen: [{}] }}", quoted(&line))) {
            Ok(()) => _ = add(entries, Entry::new(line, from, "")),
            Err(Refusal { reason, hint }) => left.push(&from, item, reason, hint),
        }
    }
}
