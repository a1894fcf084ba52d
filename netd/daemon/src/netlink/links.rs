//! Links: network interfaces (rtnetlink(7), `RTM_*LINK`).

use std::os::fd::{AsRawFd, BorrowedFd};

use super::message::{ACK, CREATE, DUMP, EXCLUSIVE, Messages};
use super::reading::{self, array, attributes, until_zero};
use super::{RequestError, Socket};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;

const IFF_UP: u32 = 1;
const IFF_LOWER_UP: u32 = 0x1_0000;

/// Length of `struct ifinfomsg`.
const FIXED: usize = 16;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// Its number in its network namespace.
    pub(crate) index: u32,
    /// Its name.
    pub(crate) name: String,
    /// Its hardware address, if it has one of this length.
    pub(crate) mac: Option<[u8; 6]>,
    /// Whether there is something at the other end of the cable.
    pub(crate) carrier: Carrier,
}

/// Whether there is something at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Yes, and the interface is up.
    Present,
    /// No.
    Absent,
}

/// `struct ifinfomsg`.
fn fixed(index: u32, flags: u32, change: u32) -> [u8; FIXED] {
    let mut bytes = [0; FIXED];
    let parts = index.to_ne_bytes().into_iter().chain(flags.to_ne_bytes()).chain(change.to_ne_bytes());
    for (to, from) in bytes.iter_mut().skip(4).zip(parts) {
        *to = from;
    }
    bytes
}

fn read(message: &reading::Message<'_>) -> Option<Link> {
    let rest = message.body.get(FIXED..)?;
    let find = |wanted| attributes(rest).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let flags = u32::from_ne_bytes(array(message.body, 8)?);
    Some(Link {
        index: u32::from_ne_bytes(array(message.body, 4)?),
        name: String::from_utf8_lossy(until_zero(find(IFLA_IFNAME)?)).into_owned(),
        mac: find(IFLA_ADDRESS).and_then(|mac| mac.try_into().ok()),
        carrier: if flags & IFF_LOWER_UP == 0 { Carrier::Absent } else { Carrier::Present },
    })
}

impl Socket {
    /// Makes a pair of interfaces: `name` here, `peer_name` in the network namespace `peer`.
    pub(crate) fn add_pair(
        &self,
        name: &str,
        peer_name: &str,
        peer: BorrowedFd<'_>,
    ) -> Result<(), RequestError> {
        self.one(NEW_LINK, CREATE | EXCLUSIVE, &fixed(0, 0, 0), |out| {
            out.add_text(IFLA_IFNAME, name);
            out.nest(IFLA_LINKINFO, |out| {
                out.add_text(IFLA_INFO_KIND, "veth");
                out.nest(IFLA_INFO_DATA, |out| {
                    out.nest_with(VETH_INFO_PEER, &fixed(0, 0, 0), |out| {
                        out.add_text(IFLA_IFNAME, peer_name);
                        out.add(IFLA_NET_NS_FD, &peer.as_raw_fd().to_ne_bytes());
                    });
                });
            });
        })
    }

    /// Brings a link up.
    pub(crate) fn set_up(&self, index: u32) -> Result<(), RequestError> {
        self.one(NEW_LINK, 0, &fixed(index, IFF_UP, IFF_UP), |_| {})
    }

    /// Deletes a link; with one of a pair the other goes.
    pub(crate) fn delete_link(&self, index: u32) -> Result<(), RequestError> {
        self.one(DELETE_LINK, 0, &fixed(index, 0, 0), |_| {})
    }

    /// All links.
    pub(crate) fn links(&self) -> Result<Vec<Link>, RequestError> {
        let mut request = Messages::default();
        request.add(GET_LINK, DUMP, &fixed(0, 0, 0), |_| {});
        let mut links = Vec::new();
        self.list(&request, |message| links.extend(read(&message)))?;
        Ok(links)
    }

    /// The link of a name.
    pub(crate) fn link(&self, name: &str) -> Result<Option<Link>, RequestError> {
        Ok(self.links()?.into_iter().find(|link| link.name == name))
    }

    /// Sends one message and reads the answer.
    pub(super) fn one(
        &self,
        kind: u16,
        flags: u16,
        fixed: &[u8],
        attributes: impl FnOnce(&mut super::message::Attributes<'_>),
    ) -> Result<(), RequestError> {
        let mut request = Messages::default();
        request.add(kind, flags | ACK, fixed, attributes);
        self.request(&request, 0)
    }
}
