//! Network interfaces, addresses and routes of a network namespace (rtnetlink(7)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;

/// `NLM_F_REQUEST | NLM_F_ACK`, and `NLM_F_CREATE | NLM_F_EXCL`.
const REQUEST: u16 = 1 | 4;
const CREATE: u16 = 0x400 | 0x200;

const AF_INET: u8 = 2;
const IFF_UP: u32 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
/// The gateway is behind the link, whatever the addresses say (`RTNH_F_ONLINK`).
const ONLINK: u32 = 4;

/// A socket to the kernel, for one network namespace.
#[derive(Debug)]
pub(crate) struct Links(OwnedFd);

/// One end of a pair of links: its number, which is chosen here, and its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End(pub(crate) u32, pub(crate) &'static str);

/// Where packets for some addresses go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) to: [u8; 4],
    pub(crate) prefix: u8,
    /// None if the link leads to them.
    pub(crate) gateway: Option<[u8; 4]>,
    pub(crate) source: [u8; 4],
}

impl Links {
    /// Of the caller's namespace.
    pub(crate) fn here() -> io::Result<Self> {
        let route = SockProtocol::NetlinkRoute;
        Ok(Self(socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, route)?))
    }

    /// Of the namespace in which this socket was opened.
    pub(crate) fn of(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Makes a pair, one end here, the other in that namespace.
    pub(crate) fn add_pair(&self, here: End, there: End, namespace: BorrowedFd<'_>) -> io::Result<()> {
        let mut peer = link(there.0, 0, 0).to_vec();
        add(&mut peer, IFLA_IFNAME, &text(there.1));
        add(&mut peer, IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
        let (mut data, mut info, mut body) = (Vec::new(), Vec::new(), link(here.0, 0, 0).to_vec());
        add(&mut data, VETH_INFO_PEER, &peer);
        add(&mut info, IFLA_INFO_KIND, &text("veth"));
        add(&mut info, IFLA_INFO_DATA, &data);
        add(&mut body, IFLA_IFNAME, &text(here.1));
        add(&mut body, IFLA_LINKINFO, &info);
        self.ask(NEW_LINK, CREATE, &body)
    }

    /// Takes a link down and gives it another name.
    pub(crate) fn rename(&self, index: u32, name: &str) -> io::Result<()> {
        self.ask(NEW_LINK, 0, &link(index, 0, IFF_UP))?;
        let mut body = link(index, 0, 0).to_vec();
        add(&mut body, IFLA_IFNAME, &text(name));
        self.ask(NEW_LINK, 0, &body)
    }

    /// Brings a link up with an address.
    pub(crate) fn set_up(&self, index: u32, address: [u8; 4], prefix: u8) -> io::Result<()> {
        let [a, b, c, d] = index.to_ne_bytes();
        let mut body = vec![AF_INET, prefix, 0, 0, a, b, c, d];
        add(&mut body, IFA_LOCAL, &address);
        add(&mut body, IFA_ADDRESS, &address);
        self.ask(NEW_ADDRESS, CREATE, &body)?;
        self.ask(NEW_LINK, 0, &link(index, IFF_UP, IFF_UP))
    }

    /// Adds a route over a link.
    pub(crate) fn add_route(&self, index: u32, route: Route) -> io::Result<()> {
        // Table main, set by an administrator, unicast; the scope is the link's or everywhere.
        let (scope, flags) = if route.gateway.is_some() { (0, ONLINK) } else { (253, 0) };
        let mut body = vec![AF_INET, route.prefix, 0, 0, 254, 4, scope, 1];
        body.extend(flags.to_ne_bytes());
        add(&mut body, RTA_DST, &route.to);
        if let Some(gateway) = route.gateway {
            add(&mut body, RTA_GATEWAY, &gateway);
        }
        add(&mut body, RTA_PREFSRC, &route.source);
        add(&mut body, RTA_OIF, &index.to_ne_bytes());
        self.ask(NEW_ROUTE, CREATE, &body)
    }

    /// Sends a request and takes the kernel's answer, which is there when the request is sent.
    fn ask(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
        let mut message = length.to_ne_bytes().to_vec();
        message.extend([kind.to_ne_bytes(), (REQUEST | flags).to_ne_bytes()].concat());
        message.extend([0; 8]);
        message.extend(body);
        send(self.0.as_raw_fd(), &message, MsgFlags::empty())?;
        let mut answer = [0; 1024];
        let length = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT)?;
        let error = answer.get(..length).and_then(|answer| answer.get(16..20)?.first_chunk());
        match error.map(|error| i32::from_ne_bytes(*error)) {
            Some(0) => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error(error.wrapping_neg())),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// `struct ifinfomsg`: a link, its flags, and which of them to change.
fn link(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    let words = [0, index, flags, change].map(u32::to_ne_bytes);
    bytes.iter_mut().zip(words.as_flattened()).for_each(|(to, from)| *to = *from);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// Adds an attribute.
fn add(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    body.extend([length.to_ne_bytes(), kind.to_ne_bytes()].concat());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_is_padded_and_a_link_is_where_the_kernel_looks() {
        let mut body = Vec::new();
        add(&mut body, IFLA_IFNAME, &text("eth0"));
        assert_eq!(body, [&9_u16.to_ne_bytes()[..], &3_u16.to_ne_bytes(), b"eth0\0\0\0\0"].concat());
        assert_eq!(link(7, 1, 1)[4..8], 7_u32.to_ne_bytes());
    }
}
