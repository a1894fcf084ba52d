//! A name server (RFC 1035) that can lie, and an app's question to netd.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::lab::{FAR, PEER, Place, ROUTER};

const ROUTER_OF_APPS: (Ipv4Addr, u16) = (Ipv4Addr::new(100, 115, 92, 1), 53);

/// How long the server's answers are good for: less than netd's least.
const TTL_S: u8 = 1;

/// Serves in the street until the test ends. What it does depends on the name.
pub(crate) fn serve(street: &Place) {
    let socket = street.inside(|| UdpSocket::bind((ROUTER, 53)).expect("port 53"));
    let other = street.inside(|| UdpSocket::bind((PEER, 53)).expect("port 53"));
    street.serve(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let question = &buffer[..length];
            let Some(name) = name(question) else { continue };
            let say = |bytes: &[u8]| drop(socket.send_to(bytes, from));
            let own: &[u8] = &[0xc0, 12];
            match name.as_str() {
                "good.example" => say(&answer(question, &[(own, FAR)])),
                "peer.example" => say(&answer(question, &[(own, PEER)])),
                // Addresses that are no machine's out there: the device itself, apps, everybody.
                "liar.example" => {
                    let lies = ["127.0.0.1", "100.115.92.3", "224.0.0.1", "10.0.2.15", "255.255.255.255"];
                    let lies: Vec<_> =
                        lies.iter().map(|lie| (own, lie.parse().expect("an address"))).collect();
                    say(&answer(question, &lies));
                }
                // The address belongs to another name.
                "foreign.example" => say(&answer(question, &[(b"\x04evil\x07example\0", FAR)])),
                // Wrong answers before the right one, from the right server and from another.
                "hurried.example" => {
                    for number in 0..5 {
                        say(&changed(&answer(question, &[(own, PEER)]), number));
                    }
                    let _ = other.send_to(&answer(question, &[(own, PEER)]), from);
                    say(&answer(question, &[(own, FAR)]));
                }
                "flooded.example" => {
                    (0..4_000).for_each(|number| say(&changed(&answer(question, &[]), number)))
                }
                "garbage.example" => garbage(question).iter().for_each(|bytes| say(bytes)),
                _ => {}
            }
        }
    });
}

/// The name that is asked for.
fn name(question: &[u8]) -> Option<String> {
    let mut rest = question.get(12..)?;
    let mut labels = Vec::new();
    while let [length, after @ ..] = rest {
        if *length == 0 {
            return Some(labels.join("."));
        }
        let (label, next) = after.split_at_checked(usize::from(*length))?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        rest = next;
    }
    None
}

fn answer(question: &[u8], records: &[(&[u8], Ipv4Addr)]) -> Vec<u8> {
    let mut bytes = question.to_vec();
    bytes[2..4].copy_from_slice(&[0x81, 0x80]);
    bytes[6..8].copy_from_slice(&u16::try_from(records.len()).expect("few").to_be_bytes());
    for (owner, address) in records {
        bytes.extend(*owner);
        bytes.extend([0, 1, 0, 1, 0, 0, 0, TTL_S, 0, 4]);
        bytes.extend(address.octets());
    }
    bytes
}

/// With another id, name, or kind.
fn changed(answer: &[u8], number: usize) -> Vec<u8> {
    let mut bytes = answer.to_vec();
    let at = [0, 1, 13, 2][number % 4];
    bytes[at] ^= 0x81;
    bytes
}

fn garbage(question: &[u8]) -> Vec<Vec<u8>> {
    let good = answer(question, &[(&[0xc0, 12], FAR)]);
    let mut all: Vec<_> = (0..good.len()).step_by(9).map(|cut| good[..cut].to_vec()).collect();
    // A name that points to itself; more records than there are.
    all.push(answer(question, &[(&[0xc0, u8::try_from(question.len()).unwrap_or(0)], FAR)]));
    let mut many = good;
    many[6..8].copy_from_slice(&[0xff, 0xff]);
    all.push(many);
    all
}

/// What netd says to a question for addresses: the code, and the addresses. `None` if it says nothing.
pub(crate) fn ask(app: &Place, name: &str) -> Option<(u8, Vec<Ipv4Addr>)> {
    ask_bytes(app, &question(name, 1)).map(|answer| {
        let records = usize::from(u16::from_be_bytes([answer[6], answer[7]]));
        let addresses = (0..records).map(|record| {
            let end = answer.len() - (records - record - 1) * 16;
            <[u8; 4]>::try_from(&answer[end - 4..end]).expect("four").into()
        });
        (answer[3] & 15, addresses.collect())
    })
}

/// A question of a type.
pub(crate) fn question(name: &str, kind: u8) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).expect("short"));
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, kind, 0, 1]);
    bytes
}

/// Sends a datagram to netd's resolver and waits for the answer.
pub(crate) fn ask_bytes(app: &Place, bytes: &[u8]) -> Option<Vec<u8>> {
    app.inside(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(12))).expect("a time limit");
        socket.send_to(bytes, SocketAddr::from(ROUTER_OF_APPS)).ok()?;
        let mut buffer = [0; 1500];
        let (length, from) = socket.recv_from(&mut buffer).ok()?;
        assert_eq!(from, SocketAddr::from(ROUTER_OF_APPS));
        Some(buffer[..length].to_vec())
    })
}
