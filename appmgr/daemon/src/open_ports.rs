//! Which app has a port open, as the kernel's list of an app's sockets says (proc(5), `/proc/PID/net`).

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use nacre_appmgr_core::dropped;
use nacre_appmgr_core::fleet::AppIndex;
use nacre_manifest::device::{Port, Protocol};
use nacre_wire::denial::Layer;

use crate::daemon::Daemon;

/// Longest list that is read, in bytes: 200 sockets. An app has no more of them than its manifest's `open-files`.
const MOST: u64 = 32 * 1024;

/// The state of a TCP socket that waits for connections, and of a UDP socket that is bound and talks to nobody in
/// particular (`TCP_LISTEN`, `TCP_CLOSE`).
const LISTENS: &str = "0A";
const UNCONNECTED: &str = "07";

impl Daemon {
    /// Somebody outside has sent to a port that no manifest lists. If an app has it open all the same, it is told.
    pub(crate) fn knocked(&mut self, port: Port) {
        let has_it = |pid: i32| has(&list(pid, port.protocol), port);
        let app = self.slots.iter().position(|slot| {
            slot.has_network() && slot.process.as_ref().is_some_and(|process| has_it(process.pid))
        });
        if let Some(app) = app {
            self.deny(AppIndex(app), Layer::PacketFilter, dropped::knock(port));
        }
    }
}

/// The sockets of a process's network namespace; nothing if it is gone.
fn list(pid: i32, protocol: Protocol) -> String {
    let path: PathBuf = format!("/proc/{pid}/net/{protocol}").into();
    let mut text = String::new();
    // What is cut or gone has the port or not: the rest is told at the next packet.
    let _ = File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text));
    text
}

/// Whether a list has an open socket with this port: lines of number, own address, other address, state.
fn has(list: &str, port: Port) -> bool {
    let wanted = match port.protocol {
        Protocol::Tcp => LISTENS,
        Protocol::Udp => UNCONNECTED,
    };
    list.lines().skip(1).any(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (own, _other, state) = (words.next(), words.next(), words.next());
        let number = own.and_then(|own| own.split_once(':')).and_then(|(address, number)| {
            // What is bound to the loopback address waits for nobody outside.
            (!address.ends_with("7F")).then(|| u16::from_str_radix(number, 16).ok()).flatten()
        });
        number == Some(port.number) && state == Some(wanted)
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn port_is_found_among_the_sockets_that_wait_for_others() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n\
             0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  20000\n\
             1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  20000\n\
             2: 035C7364:1F92 0202000A:01BB 01 00000000:00000000 00:00000000 00000000  20000\n\
             nonsense\n\
             3: 00000000:1F93";
        let found = |number| has(text, Port { protocol: Protocol::Tcp, number });
        assert_eq!([0x1f90, 0x1f91, 0x1f92, 0x1f93, 443].map(found), [true, false, false, false, false]);
        assert!(!has("", Port { protocol: Protocol::Udp, number: 1 }));
        assert!(!has(text, Port { protocol: Protocol::Udp, number: 0x1f90 }), "another protocol's state");
    }

    #[test]
    fn kernels_own_list_is_read() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let tcp = TcpListener::bind("0.0.0.0:0").unwrap();
        let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = |protocol, number| Port { protocol, number };
        let tcp = port(Protocol::Tcp, tcp.local_addr().unwrap().port());
        let udp = port(Protocol::Udp, udp.local_addr().unwrap().port());
        for port in [tcp, udp] {
            assert!(has(&list(pid, port.protocol), port), "{port}");
        }
        let inside = UdpSocket::bind("127.0.0.1:0").unwrap();
        let inside = port(Protocol::Udp, inside.local_addr().unwrap().port());
        assert!(!has(&list(pid, Protocol::Udp), inside));
        assert_eq!(list(i32::MAX, Protocol::Udp), "");
    }
}
