//! `network`: what an app may reach, and where it may be reached.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use nacre_diag::{Diagnostic, ExitCode, Place, Report, did_you_mean};

use super::AppSource;
use super::bounds::{MAX_CONNECT, MAX_LISTEN};
use crate::device::{Host, Network, Port, Protocol, Remote};
use crate::host::parse_host;
use crate::unit::Slip;
use crate::yaml::{Fields, Node, Reading, shown};

const CONNECT_EXAMPLE: &str = "connect: [\"tcp:api.example.com:443\"]";
const LISTEN_EXAMPLE: &str = "listen: [\"tcp:8080\"]";

/// The port of the DNS (RFC 1035, section 4.2).
const DNS: u16 = 53;

/// The port on which the device awaits a DHCP server's answers (RFC 2131, section 4.1).
const DHCP: Port = Port { protocol: Protocol::Udp, number: 68 };

/// Where the entries stand, each list in the order of [`Network`]'s.
#[derive(Default)]
pub(super) struct NetworkPlaces {
    pub(super) connect: Vec<Place>,
    pub(super) listen: Vec<Place>,
}

/// Reads `network`.
pub(super) fn read(reading: &mut Reading<'_>, fields: &Fields<'_>) -> (Option<Network>, NetworkPlaces) {
    let Some(node) = fields.get("network") else { return Default::default() };
    let fields = reading.fields(node, &["connect", "listen"]);
    let connect = entries(reading, fields.get("connect"), MAX_CONNECT, CONNECT_EXAMPLE, parse_remote);
    let listen = entries(reading, fields.get("listen"), MAX_LISTEN, LISTEN_EXAMPLE, parse_listen);
    if reading.is_clean() && connect.is_empty() && listen.is_empty() {
        let hint = format!("write `{CONNECT_EXAMPLE}` or `{LISTEN_EXAMPLE}`, or remove it");
        reading.bad(node, "`network` is empty", hint);
    }
    let places = NetworkPlaces {
        connect: connect.values().map(|item| reading.place(item)).collect(),
        listen: listen.values().map(|item| reading.place(item)).collect(),
    };
    let network = Network { connect: connect.into_keys().collect(), listen: listen.into_keys().collect() };
    (Some(network), places)
}

fn entries<'n, T: Ord>(
    reading: &mut Reading<'_>,
    node: Option<&'n Node>,
    max: usize,
    example: &str,
    parse: impl Fn(&str) -> Result<T, Slip>,
) -> BTreeMap<T, &'n Node> {
    let mut found = BTreeMap::new();
    let Some(node) = node else { return found };
    for item in reading.list(node, max, example) {
        let Some(entry) = reading.measure(item, &format!("text like in `{example}`"), &parse) else {
            continue;
        };
        match found.entry(entry) {
            Entry::Vacant(free) => _ = free.insert(item),
            Entry::Occupied(_) => {
                reading.bad(item, format!("`{}` is there twice", item.label), "remove one of them");
            }
        }
    }
    found
}

fn slip<T>(text: &str, reason: &str, hint: impl Into<String>) -> Result<T, Slip> {
    Err(Slip { message: format!("`{}` {reason}", shown(text)), hint: hint.into() })
}

/// `tcp:api.example.com:443`.
fn parse_remote(text: &str) -> Result<Remote, Slip> {
    if text.contains(char::is_whitespace) {
        let without: String = text.split_whitespace().collect();
        return slip(text, "has a space in it", format!("did you mean `{}`?", shown(&without)));
    }
    if let Some(near) = of_url(text) {
        return slip(text, "is an address of the web", format!("did you mean `{near}`?"));
    }
    if text.parse::<u16>().is_ok() {
        return slip(text, "names no host", format!("write it like `tcp:api.example.com:{text}`"));
    }
    let (protocol, rest) = parse_protocol(text)?;
    let Some((host, number)) = rest.rsplit_once(':') else {
        let host = if rest.is_empty() { "api.example.com" } else { rest };
        return slip(text, "has no port", format!("add it, like `{protocol}:{}:443`", shown(host)));
    };
    let host = parse_host(host)?;
    let port = Port { protocol, number: parse_number(text, number)? };
    if port.number == DNS && matches!(host, Host::Name(_)) {
        let hint =
            "remove it: the OS resolves the names under `connect`; a name server of its own has an address";
        return slip(text, "is a name server by its name", hint);
    }
    Ok(Remote { host, port })
}

/// `tcp:8080`.
fn parse_listen(text: &str) -> Result<Port, Slip> {
    let (protocol, rest) = match text.parse::<u16>() {
        Ok(_) => return slip(text, "has no protocol", format!("did you mean `tcp:{text}`?")),
        Err(_) => parse_protocol(text)?,
    };
    if let Some((_, number)) = rest.rsplit_once(':') {
        let hint = format!("did you mean `{protocol}:{}`?", shown(number));
        return slip(text, "has a host in it, but is a port of this device", hint);
    }
    let port = Port { protocol, number: parse_number(text, rest)? };
    if port == DHCP {
        return slip(text, "is the OS's own: there it gets its address (DHCP)", "choose another port");
    }
    Ok(port)
}

/// The protocol, and what follows it.
fn parse_protocol(text: &str) -> Result<(Protocol, &str), Slip> {
    const WORDS: [(&str, Protocol); 2] = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp)];
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    if let Some((_, protocol)) = WORDS.iter().find(|(known, _)| *known == word) {
        return Ok((*protocol, rest));
    }
    // `example.com:443` begins with a host, `tpc:…` with a slip, `icmp:…` with something else.
    let is_port = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let near = did_you_mean(&word.to_ascii_lowercase(), WORDS.map(|(known, _)| known));
    if let Some((word, port)) = text.split_once('/')
        && WORDS.iter().any(|(known, _)| *known == word)
    {
        return slip(text, "has no `:`", format!("did you mean `{word}:{}`?", shown(port)));
    }
    match near {
        Some(near) => slip(text, "has no known protocol", format!("did you mean `{near}:{}`?", shown(rest))),
        None if word.contains('.') && (is_port || rest.is_empty()) => {
            slip(text, "has no protocol", format!("did you mean `tcp:{}`?", shown(text)))
        }
        None => slip(
            text,
            "has no known protocol",
            "known: tcp, udp; write it like `tcp:api.example.com:443` or, under `listen`, `tcp:8080`",
        ),
    }
}

fn parse_number(text: &str, number: &str) -> Result<u16, Slip> {
    const HINT: &str = "a port is a number of 1 to 65535";
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    match number.parse() {
        Ok(found) if is_plain && found != 0 => Ok(found),
        _ if number.is_empty() => slip(text, "has no port", HINT),
        _ if number.contains(['-', ',']) => slip(text, "is more than one port", "list each port by itself"),
        _ => slip(text, &format!("has no good port: `{}`", shown(number)), HINT),
    }
}

/// What is meant by `https://api.example.com/path`.
fn of_url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let host = rest.split('/').next().unwrap_or_default();
    let (host, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let port = match (port, scheme) {
        ("", "http" | "ws") => "80",
        ("", "mqtt") => "1883",
        ("", "mqtts") => "8883",
        ("", _) => "443",
        (port, _) => port,
    };
    let protocol = if scheme == "udp" { "udp" } else { "tcp" };
    Some(format!("{protocol}:{}:{}", shown(host), shown(port)))
}

/// Checks that no two apps of one image listen on one port of the device.
///
/// # Errors
/// Each breach (exit code 65), at the entry of the later app, with the place of the earlier one.
pub fn check_ports(apps: &[AppSource]) -> Result<(), Report> {
    let mut report = Report::new();
    let mut taken: BTreeMap<Port, (&AppSource, Option<&Place>)> = BTreeMap::new();
    for app in apps {
        let listen = app.manifest.network.iter().flat_map(|network| &network.listen);
        for (index, port) in listen.enumerate() {
            let place = app.places.listen.get(index);
            let Some((first, first_place)) = taken.get(port) else {
                taken.insert(*port, (app, place));
                continue;
            };
            let mut found = Diagnostic::error(
                ExitCode::BadInput,
                format!("`{port}`: two apps of this image listen on this port of the device"),
            );
            if let Some(place) = place {
                found = found.at(place.clone());
            }
            let where_it_is = first_place.map(|place| format!(", at {place}")).unwrap_or_default();
            report.push(
                found
                    .with_cause(format!("`{}` listens on it as well{where_it_is}", first.manifest.app))
                    .with_hint("give one of them another port"),
            );
        }
    }
    report.or(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::parse;

    #[test]
    fn entry_that_is_good_is_its_parts() {
        let name = |name: &str| Host::Name(name.to_owned());
        let table = [
            ("tcp:api.example.com:443", name("api.example.com"), Protocol::Tcp, 443),
            ("udp:10.0.2.2:65535", Host::Address([10, 0, 2, 2]), Protocol::Udp, 65535),
            ("udp:9.9.9.9:53", Host::Address([9, 9, 9, 9]), Protocol::Udp, 53),
            ("tcp:tcp:1", name("tcp"), Protocol::Tcp, 1),
        ];
        for (text, host, protocol, number) in table {
            let remote = Remote { host, port: Port { protocol, number } };
            assert_eq!(parse_remote(text), Ok(remote.clone()), "{text}");
            assert_eq!(remote.to_string(), text);
        }
        let port = Port { protocol: Protocol::Tcp, number: 8080 };
        assert_eq!(parse_listen("tcp:8080"), Ok(port));
        assert_eq!(port.to_string(), "tcp:8080");
    }

    #[test]
    fn connect_entry_that_is_wrong_says_what_is_meant() {
        let table = [
            ("api.example.com:443", "did you mean `tcp:api.example.com:443`?"),
            ("api.example.com", "did you mean `tcp:api.example.com`?"),
            ("tpc:a.b:1", "did you mean `tcp:a.b:1`?"),
            ("TCP:a.b:1", "did you mean `tcp:a.b:1`?"),
            ("sctp:a.b:1", "known: tcp, udp"),
            ("icmp:a.b:1", "known: tcp, udp"),
            ("https://a.b", "did you mean `tcp:a.b:443`?"),
            ("http://a.b:8080/x?y", "did you mean `tcp:a.b:8080`?"),
            ("tcp://a.b:22", "did you mean `tcp:a.b:22`?"),
            ("tcp:a.b", "add it, like `tcp:a.b:443`"),
            ("tcp:", "add it, like `tcp:api.example.com:443`"),
            ("tcp", "add it, like `tcp:api.example.com:443`"),
            ("tcp:8080", "add it, like"),
            ("tcp:a.b:", "1 to 65535"),
            ("tcp:a.b:0", "1 to 65535"),
            ("tcp:a.b:65536", "1 to 65535"),
            ("tcp:a.b:0443", "1 to 65535"),
            ("tcp:a.b:+443", "1 to 65535"),
            ("tcp:a.b:https", "1 to 65535"),
            ("tcp::443", "write its name"),
            ("443", "like `tcp:api.example.com:443`"),
            ("tcp:[::1]:443", "IPv4 only"),
            ("tcp:2001:db8::1:443", "IPv4 only"),
            ("tcp:*:443", "list each name"),
            ("tcp:localhost:80", "talk to itself"),
            ("udp:dns.example.com:53", "the OS resolves"),
            ("tcp:dns.example.com:53", "the OS resolves"),
            ("", "known: tcp, udp"),
        ];
        for (text, hint) in table {
            let slip = parse_remote(text).expect_err(text);
            assert!(slip.hint.contains(hint), "{text}: {slip:?}");
        }
    }

    #[test]
    fn listen_entry_that_is_wrong_says_what_is_meant() {
        let table = [
            ("8080", "did you mean `tcp:8080`?"),
            ("tcp:0.0.0.0:8080", "did you mean `tcp:8080`?"),
            ("tpc:80", "did you mean `tcp:80`?"),
            ("http:80", "known: tcp, udp"),
            ("tcp:0", "1 to 65535"),
            ("tcp:", "1 to 65535"),
            ("tcp:x", "1 to 65535"),
            ("udp:68", "choose another port"),
        ];
        for (text, hint) in table {
            let slip = parse_listen(text).expect_err(text);
            assert!(slip.hint.contains(hint), "{text}: {slip:?}");
        }
        assert!(parse_listen("tcp:68").is_ok());
    }

    fn app(name: &str, listen: &str) -> AppSource {
        let text = format!(
            "app: org.example.{name}\nversion: 1.0.0\nbuild: cargo\nrun: [/app/bin/{name}]\nnetwork: {{ listen: [{listen}] }}\n"
        );
        parse(&text, &format!("{name}/nacre.yaml")).expect("a manifest")
    }

    #[test]
    fn ports_of_two_apps_that_are_the_same_are_refused_with_both_places() {
        let apps = [app("a", "tcp:9000, tcp:80"), app("b", "udp:80"), app("c", "tcp:443, tcp:80")];
        let report = check_ports(&apps).expect_err("a and c want port 80");
        let [found] = report.entries() else { panic!("{report:?}") };
        assert_eq!(found.place.as_ref().map(ToString::to_string).as_deref(), Some("c/nacre.yaml:5:30"));
        assert_eq!(found.causes, ["`org.example.a` listens on it as well, at a/nacre.yaml:5:31"]);
        assert!(check_ports(&apps[..2]).is_ok(), "TCP and UDP have each their own ports");
    }

    #[test]
    fn network_with_the_longest_lists_fits_the_message_to_netd() {
        let long = format!("{}.{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(59));
        let connect: Vec<String> = (0..32).map(|n| format!("tcp:{long}{n:02}:65{n:03}")).collect();
        let listen: Vec<String> = (0..8).map(|n| format!("udp:6500{n}")).collect();
        let text = format!(
            "app: a.b\nversion: 1.0.0\nbuild: cargo\nrun: [/app/bin/b]\nnetwork:\n  connect: [{}]\n  listen: [{}]\n",
            connect.join(", "),
            listen.join(", ")
        );
        let network = parse(&text, "nacre.yaml").expect("a manifest").manifest.network.expect("a network");
        assert_eq!((network.connect.len(), network.listen.len()), (32, 8));
        // `nacre_wire::net::MAX_POLICY`.
        assert!(crate::device::encode(&network).len() <= 14 * 1024);
    }
}
