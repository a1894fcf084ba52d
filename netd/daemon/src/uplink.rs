//! The link to the outside: its cable, and the address that it has.

use std::net::{Ipv4Addr, SocketAddrV4};

use nacre_netd_core::dhcp::{self, CLIENT_PORT, Destination, Lease, SERVER_PORT};
use nacre_sys::event_loop::Interest;

use crate::clock;
use crate::event_loop::{EventLoop, Source};
use crate::netlink::addresses::Address;
use crate::netlink::links::{Carrier, Link};
use crate::netlink::{RequestError, Socket};
use crate::random;
use crate::ruleset::base::UPLINK;
use crate::udp::Udp;

/// Why the link to the outside is not as it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UplinkError {
    #[error("look for {UPLINK}")]
    Look(#[source] RequestError),
    #[error("bring {UPLINK} up")]
    SetUp(#[source] RequestError),
    #[error("take the addresses of {UPLINK} away")]
    Clear(#[source] RequestError),
    #[error("give {UPLINK} the address {0}")]
    Address(Ipv4Addr, #[source] RequestError),
    #[error("route through {0}")]
    Route(Ipv4Addr, #[source] RequestError),
    #[error("open the port of the DHCP client")]
    Port(#[source] nix::Error),
    #[error("{UPLINK} is not an Ethernet link")]
    NotEthernet,
}

/// The link and its DHCP client.
#[derive(Debug, Default)]
pub(crate) struct Uplink {
    present: Option<Present>,
}

#[derive(Debug)]
struct Present {
    index: u32,
    carrier: Carrier,
    client: dhcp::Client,
    socket: Udp,
}

impl Uplink {
    /// Looks at the link anew; the event for the DHCP client, if there is one.
    pub(crate) fn look(
        &mut self,
        routes: &Socket,
        events: &EventLoop,
    ) -> Result<Vec<dhcp::Action>, UplinkError> {
        match routes.link(UPLINK).map_err(UplinkError::Look)? {
            Some(link) => self.changed(&link, routes, events),
            None => Ok(self.gone()),
        }
    }

    fn changed(
        &mut self,
        link: &Link,
        routes: &Socket,
        events: &EventLoop,
    ) -> Result<Vec<dhcp::Action>, UplinkError> {
        let mut actions = Vec::new();
        if self.present.as_ref().is_some_and(|present| present.index != link.index) {
            actions = self.gone();
        }
        if self.present.is_none() {
            self.present = Some(Present::new(link, routes, events)?);
        }
        let Some(present) = &mut self.present else { return Ok(actions) };
        if present.carrier != link.carrier {
            present.carrier = link.carrier;
            actions.extend(match link.carrier {
                Carrier::Present => self.step(dhcp::Event::Up),
                Carrier::Absent => self.step(dhcp::Event::Down),
            });
        }
        Ok(actions)
    }

    fn gone(&mut self) -> Vec<dhcp::Action> {
        let actions = self.step(dhcp::Event::Down);
        self.present = None;
        actions
    }

    /// The link's number, if it is there.
    pub(crate) fn index(&self) -> Option<u32> {
        self.present.as_ref().map(|present| present.index)
    }

    /// When the DHCP client wants to be woken.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.present.as_ref()?.client.deadline()
    }

    /// The client's time may have come.
    pub(crate) fn wake(&mut self) -> Vec<dhcp::Action> {
        self.step(dhcp::Event::Timer)
    }

    /// Reads what servers say.
    pub(crate) fn read(&mut self) -> Vec<dhcp::Action> {
        let Some(present) = &self.present else { return Vec::new() };
        // Errors of a socket that nobody is bound to say nothing about a server.
        let (datagrams, _) = present.socket.receive::<{ dhcp::MAX_DATAGRAM }>();
        datagrams.iter().flat_map(|(_, bytes)| self.step(dhcp::Event::Datagram(bytes))).collect()
    }

    fn step(&mut self, event: dhcp::Event<'_>) -> Vec<dhcp::Action> {
        let Some(present) = &mut self.present else { return Vec::new() };
        present.client.step(event, clock::now(), &mut random::number)
    }

    /// Sends a datagram to servers.
    pub(crate) fn send(&self, to: Destination, bytes: &[u8]) {
        let Some(present) = &self.present else { return };
        let address = match to {
            Destination::Broadcast => Ipv4Addr::BROADCAST,
            Destination::Server(address) => address,
        };
        // The client sends again if no answer comes.
        let _ = present.socket.send(bytes, SocketAddrV4::new(address, SERVER_PORT));
    }

    /// Gives the link the lease's address instead of any other, and the way out.
    pub(crate) fn bind(&self, routes: &Socket, lease: &Lease) -> Result<(), UplinkError> {
        let Some(present) = &self.present else { return Ok(()) };
        let own = Address { address: lease.address.octets(), prefix: lease.prefix };
        clear(routes, present.index, Some(own))?;
        let failed = |cause| UplinkError::Address(lease.address, cause);
        routes.add_address(present.index, own).map_err(failed)?;
        match lease.router {
            Some(router) => routes
                .set_default_route(present.index, router.octets(), own.address)
                .map_err(|cause| UplinkError::Route(router, cause)),
            None => routes.delete_default_route(present.index).map_err(failed),
        }
    }

    /// Takes the address away.
    pub(crate) fn release(&self, routes: &Socket) -> Result<(), UplinkError> {
        self.present.as_ref().map_or(Ok(()), |present| clear(routes, present.index, None))
    }
}

impl Present {
    /// Takes over a link: up, without an address, with a client that has not begun.
    fn new(link: &Link, routes: &Socket, events: &EventLoop) -> Result<Self, UplinkError> {
        let mac = link.mac.ok_or(UplinkError::NotEthernet)?;
        routes.set_up(link.index).map_err(UplinkError::SetUp)?;
        clear(routes, link.index, None)?;
        let socket = Udp::on_link(UPLINK, CLIENT_PORT).map_err(UplinkError::Port)?;
        events.add(&socket, Source::Dhcp, Interest::Read).map_err(UplinkError::Port)?;
        Ok(Self { index: link.index, carrier: Carrier::Absent, client: dhcp::Client::new(mac), socket })
    }
}

/// Takes all addresses but one from a link.
fn clear(routes: &Socket, link: u32, but: Option<Address>) -> Result<(), UplinkError> {
    for address in routes.addresses(link).map_err(UplinkError::Clear)? {
        if Some(address) != but {
            routes.delete_address(link, address).map_err(UplinkError::Clear)?;
        }
    }
    Ok(())
}
