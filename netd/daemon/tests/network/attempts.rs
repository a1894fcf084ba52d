//! What an app tries, allowed or not, and whether it gets there.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, socket,
};

use crate::lab::{FAR, PEER, Place};

/// Long enough for a handshake in one machine, short enough to wait for what is dropped.
pub(crate) const BRIEF: Duration = Duration::from_millis(1_500);

/// The address of an app by its number.
pub(crate) fn address_of(app: u8) -> Ipv4Addr {
    Ipv4Addr::from(nacre_manifest::apps_network::app_address(app))
}

pub(crate) fn connect(address: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&SocketAddr::from((address, port)), BRIEF)
}

/// The same, with time for many at once: more than 50 in a second are told to come back, and do so by themselves.
pub(crate) fn connect_patiently(address: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&SocketAddr::from((address, port)), Duration::from_secs(8))
}

/// Accepts connections on a port until the test ends, and sends back what comes for as long as they are open.
pub(crate) fn accept(place: &Place, port: u16) {
    let listener = place.inside(|| TcpListener::bind(("0.0.0.0", port)).expect("the port"));
    place.serve(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut byte = [0];
                while let Ok(1) = stream.read(&mut byte) {
                    let _ = stream.write_all(&byte);
                }
            });
        }
    });
}

/// What came to a UDP port.
#[derive(Clone, Default)]
pub(crate) struct Arrived(Arc<Mutex<Vec<Vec<u8>>>>);

impl Arrived {
    /// Notes what comes until the test ends.
    pub(crate) fn on(place: &Place, port: u16) -> Self {
        let socket = place.inside(|| UdpSocket::bind(("0.0.0.0", port)).expect("the port"));
        let arrived = Self::default();
        let noted = arrived.clone();
        place.serve(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, _)) = socket.recv_from(&mut buffer) {
                noted.0.lock().expect("the list").push(buffer[..length].to_vec());
            }
        });
        arrived
    }

    fn has(&self, payload: &[u8]) -> bool {
        let until = Instant::now() + BRIEF;
        while Instant::now() < until {
            if self.0.lock().expect("the list").iter().any(|bytes| bytes == payload) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

/// Servers for all attempts: on the street, in the device, and in another app.
pub(crate) struct Servers {
    udp_9000: Arrived,
    udp_9002: Arrived,
    /// In the device, where what is for everybody on a link ends.
    device_5353: Arrived,
}

impl Servers {
    pub(crate) fn start(street: &Place, device: &Place, other_app: &Place) -> Self {
        for (place, port) in [(street, 9_000), (street, 9_001), (device, 22), (other_app, 7_000)] {
            accept(place, port);
        }
        Self {
            udp_9000: Arrived::on(street, 9_000),
            udp_9002: Arrived::on(street, 9_002),
            device_5353: Arrived::on(device, 5_353),
        }
    }

    /// Tries everything as app 0, whose manifest has `tcp:10.0.2.2:9000` and `udp:10.0.2.2:9002`.
    pub(crate) fn attempts(&self, app: &Place) -> Vec<(&'static str, bool)> {
        // An address that is not the app's.
        app.ip("address add 100.115.92.77/32 dev eth0");
        let tcp = |address: Ipv4Addr, port| app.inside(|| connect(address, port).is_ok());
        let udp = |from: Ipv4Addr, port: u16, arrived: &Arrived, payload: &[u8]| {
            app.inside(|| {
                let socket = UdpSocket::bind((from, 0)).expect("a socket");
                let _ = socket.send_to(payload, (PEER, port));
            });
            arrived.has(payload)
        };
        let for_all = |to: [u8; 4], payload: &[u8]| {
            app.inside(|| {
                let socket = UdpSocket::bind((address_of(0), 0)).expect("a socket");
                socket.set_broadcast(true).expect("a setting");
                let _ = socket.send_to(payload, (Ipv4Addr::from(to), 5_353));
            });
            self.device_5353.has(payload)
        };
        vec![
            ("tcp listed", tcp(PEER, 9_000)),
            ("udp listed", udp(address_of(0), 9_002, &self.udp_9002, b"listed")),
            ("tcp other port", tcp(PEER, 9_001)),
            ("tcp other host", tcp(FAR, 9_000)),
            ("udp port of tcp", udp(address_of(0), 9_000, &self.udp_9000, b"other protocol")),
            ("icmp", app.inside(|| ping(PEER))),
            ("another app", tcp(address_of(1), 7_000)),
            (
                "the device by its address inside",
                tcp(Ipv4Addr::from(nacre_manifest::apps_network::ROUTER), 22),
            ),
            ("the device by its address outside", tcp(crate::lab::DEVICE, 22)),
            ("broadcast", for_all([255; 4], b"broadcast")),
            ("broadcast to the street", for_all([10, 0, 2, 255], b"broadcast to the street")),
            ("multicast", for_all([224, 0, 0, 1], b"multicast")),
            ("wrong source", udp([100, 115, 92, 77].into(), 9_002, &self.udp_9002, b"wrong source")),
        ]
    }
}

/// Whether an echo request is answered (RFC 792).
fn ping(address: Ipv4Addr) -> bool {
    let socket = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_NONBLOCK, SockProtocol::Icmp)
        .expect("a raw socket");
    let to = SockaddrIn::from(std::net::SocketAddrV4::new(address, 0));
    let request = [8, 0, 0xf7, 0xff, 0, 0, 0, 0];
    let _ = sendto(socket.as_raw_fd(), &request, &to, MsgFlags::empty());
    let until = Instant::now() + BRIEF;
    let mut buffer = [0; 256];
    while Instant::now() < until {
        // Behind the IP header: 0 is an answer.
        if matches!(recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()), Ok(28..)) && buffer[20] == 0 {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
