//! Names and addresses of other machines, as manifests and recipes write them.

use std::net::Ipv4Addr;

use crate::apps_network;
use crate::device::Host;
use crate::unit::Slip;

/// Longest name in the DNS as text (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;

/// Longest label of a name.
const MAX_LABEL: usize = 63;

fn slip<T>(text: &str, reason: &str, hint: impl Into<String>) -> Result<T, Slip> {
    let text: String = text.chars().take(80).collect();
    Err(Slip { message: format!("`{text}` {reason}"), hint: hint.into() })
}

/// A machine that can be reached: an IPv4 address, or a host name (RFC 1123, section 2.1) in lower case.
pub(crate) fn parse_host(text: &str) -> Result<Host, Slip> {
    if text.is_empty() {
        return slip(text, "names no host", "write its name or its IPv4 address");
    }
    if text.contains('*') {
        return slip(text, "has a wildcard in it", "list each name that is needed: a name is one machine");
    }
    if text.contains('/') {
        return slip(text, "is a whole network, or not a host", "list each machine that is needed by itself");
    }
    if text.contains(':') || text.starts_with('[') {
        let hint = "the device speaks IPv4 only: write the host's IPv4 address or its name";
        return slip(text, "is an IPv6 address, or not a host", hint);
    }
    // An address is what ends in a number: no top-level domain is one (RFC 3696, section 2).
    let last = text.rsplit('.').next().unwrap_or_default();
    if !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()) {
        return parse_address(text);
    }
    parse_name(text)
}

fn parse_address(text: &str) -> Result<Host, Slip> {
    let Ok(address) = text.parse::<Ipv4Addr>() else {
        let hint = "write four numbers of 0 to 255 with dots between, like `192.0.2.1`, or a name";
        return slip(text, "is not an IPv4 address", hint);
    };
    let hint = "write the address of one other machine";
    match address.octets() {
        [0, ..] => slip(text, "is not the address of a machine", hint),
        [127, ..] => slip(text, "is a loopback address", LOOPBACK_HINT),
        [224..=239, ..] => slip(text, "is a multicast address", hint),
        [240..=255, ..] => slip(text, "is not the address of a machine", hint),
        octets if octets.starts_with(&apps_network::PREFIX) => slip(
            text,
            "is of the device's own apps (100.115.92.0 to 100.115.92.255)",
            "apps of one device talk through `apps:`",
        ),
        octets => Ok(Host::Address(octets)),
    }
}

const LOOPBACK_HINT: &str =
    "remove it: nobody needs an entry to talk to itself, and apps of one device talk through `apps:`";

fn parse_name(text: &str) -> Result<Host, Slip> {
    const FORM: &str = "a name has labels of a-z, 0-9 and hyphens with dots between, like `api.example.com`";
    if let Some(name) = text.strip_suffix('.') {
        return slip(text, "ends with a dot", format!("did you mean `{name}`?"));
    }
    if text.len() > MAX_NAME {
        return slip(text, "is too long", "a name has at most 253 bytes");
    }
    if !text.is_ascii() {
        return slip(
            text,
            "has letters in it that the DNS doesn't have",
            "write its form for the DNS: `xn--…`",
        );
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return slip(text, "is not in lower case", format!("did you mean `{}`?", text.to_ascii_lowercase()));
    }
    if text == "localhost" || text.ends_with(".localhost") {
        return slip(text, "is a name of the loopback", LOOPBACK_HINT);
    }
    for label in text.split('.') {
        let good = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let ends_well = !label.starts_with('-') && !label.ends_with('-');
        if label.is_empty() || label.len() > MAX_LABEL || !ends_well || !label.bytes().all(good) {
            return slip(text, "is not a host's name", FORM);
        }
    }
    Ok(Host::Name(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_that_is_a_name_or_a_unicast_address_is_taken() {
        let label = "a".repeat(63);
        for name in ["example.com", "a", "3m.com", "xn--bcher-kva.example", "1.2.3.4a", "a-b.c", &label] {
            assert_eq!(parse_host(name), Ok(Host::Name(name.to_owned())), "{name}");
        }
        let table = [
            ("1.2.3.4", [1, 2, 3, 4]),
            ("10.0.2.2", [10, 0, 2, 2]),
            ("100.115.91.255", [100, 115, 91, 255]),
            ("223.255.255.255", [223, 255, 255, 255]),
        ];
        for (text, octets) in table {
            assert_eq!(parse_host(text), Ok(Host::Address(octets)), "{text}");
        }
    }

    #[test]
    fn host_that_is_none_is_refused_with_the_reason() {
        let (label, long) = ("a".repeat(64), ["a"; 200].join("."));
        let table = [
            ("", "names no host"),
            ("*", "wildcard"),
            ("*.example.com", "wildcard"),
            ("::1", "IPv6"),
            ("[2001:db8::1]", "IPv6"),
            ("fe80::1%eth0", "IPv6"),
            ("1.2.3", "not an IPv4 address"),
            ("1.2.3.256", "not an IPv4 address"),
            ("01.2.3.4", "not an IPv4 address"),
            ("1.2.3.4.5", "not an IPv4 address"),
            ("2130706433", "not an IPv4 address"),
            ("0.0.0.0", "not the address of a machine"),
            ("0.1.2.3", "not the address of a machine"),
            ("127.0.0.1", "loopback"),
            ("127.255.0.1", "loopback"),
            ("224.0.0.251", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "not the address of a machine"),
            ("255.255.255.255", "not the address of a machine"),
            ("100.115.92.1", "own apps"),
            ("100.115.92.255", "own apps"),
            ("localhost", "loopback"),
            ("x.localhost", "loopback"),
            ("Example.com", "lower case"),
            ("example.com.", "ends with a dot"),
            (".", "ends with a dot"),
            ("bücher.example", "xn--"),
            ("a..b", "not a host's name"),
            (".a", "not a host's name"),
            ("-a.b", "not a host's name"),
            ("a-.b", "not a host's name"),
            ("a_b.c", "not a host's name"),
            ("a b", "not a host's name"),
            ("a\0", "not a host's name"),
            ("a/b", "not a host"),
            ("10.0.0.0/8", "whole network"),
            (&label, "not a host's name"),
            (&long, "too long"),
        ];
        for (text, reason) in table {
            let slip = parse_host(text).expect_err(text);
            assert!(format!("{} {}", slip.message, slip.hint).contains(reason), "{text}: {slip:?}");
        }
    }
}
