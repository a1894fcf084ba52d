//! The apps that have a network: their links and their rules.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

use nacre_manifest::apps_network::{ROUTER, app_address};
use nacre_manifest::device::Port;
use nacre_netd_core::policy::Policy;

use crate::netlink::addresses::Address;
use crate::netlink::links::Link;
use crate::netlink::{RequestError, Socket};
use crate::ruleset::app::{link_name, open};
use crate::ruleset::base::{APP_LINKS, UPLINK};
use crate::ruleset::{AppRules, join, leave};

/// Why an app has no network. It has no part of one then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    /// Its words; the causes behind them would be 5 KB of the program.
    #[error("{0}")]
    Policy(String),
    #[error("the order came with {0} descriptors instead of 2")]
    Descriptors(usize),
    #[error("remove the link {0}")]
    RemoveLink(String, #[source] RequestError),
    #[error("make the link {0}")]
    MakeLink(String, #[source] RequestError),
    #[error("set up the link {0}")]
    SetUp(&'static str, #[source] RequestError),
    #[error("set the link {0} up: it is not there")]
    NoLink(String),
    #[error("set the packet filter for app {0}")]
    Rules(u8, #[source] RequestError),
}

/// The apps.
#[derive(Debug, Default)]
pub(crate) struct Apps {
    rules: Vec<(u8, AppRules)>,
}

impl Apps {
    /// Removes the links that an earlier netd has left.
    pub(crate) fn remove_stale(routes: &Socket) -> Result<(), JoinError> {
        let failed = |name: &str| {
            let name = name.to_owned();
            move |cause| JoinError::RemoveLink(name, cause)
        };
        for link in routes.links().map_err(failed(APP_LINKS))? {
            let number = link.name.strip_prefix("app").and_then(|number| number.parse::<u8>().ok());
            if number.is_some() {
                routes.delete_link(link.index).map_err(failed(&link.name))?;
            }
        }
        Ok(())
    }

    /// The app with this address, if it has a network.
    pub(crate) fn at(&self, address: Ipv4Addr) -> Option<u8> {
        self.rules.iter().map(|(app, _)| *app).find(|app| address.octets() == app_address(*app))
    }

    /// Whether an app has a network.
    pub(crate) fn has(&self, app: u8) -> bool {
        self.rules.iter().any(|(number, _)| *number == app)
    }

    /// Gives an app its network, in place of the one that it has.
    pub(crate) fn join(
        &mut self,
        routes: &Socket,
        filter: &Socket,
        app: u8,
        network: &[u8],
        fds: Vec<OwnedFd>,
    ) -> Result<Policy, JoinError> {
        self.leave(routes, filter, app)?;
        let policy = Policy::decode(network).map_err(|error| JoinError::Policy(error.to_string()))?;
        let [namespace, inside] =
            <[OwnedFd; 2]>::try_from(fds).map_err(|fds| JoinError::Descriptors(fds.len()))?;
        let rules = AppRules::new(app, &policy);
        filter.apply(&join(&rules)).map_err(|cause| JoinError::Rules(app, cause))?;
        self.rules.push((app, rules));
        let linked = Socket::from_fd(inside)
            .map_err(|cause| JoinError::SetUp(UPLINK, cause))
            .and_then(|inside| connect(routes, &inside, app, &namespace));
        if linked.is_err() {
            // The first error says why; what is left then is in nobody's way.
            let _ = self.leave(routes, filter, app);
        }
        linked.map(|()| policy)
    }

    /// Takes an app's network away, if it has one.
    pub(crate) fn leave(&mut self, routes: &Socket, filter: &Socket, app: u8) -> Result<(), JoinError> {
        let Some(place) = self.rules.iter().position(|(number, _)| *number == app) else { return Ok(()) };
        let (_, rules) = self.rules.swap_remove(place);
        let name = link_name(app);
        let removed = match routes.link(&name) {
            Ok(Some(link)) => routes.delete_link(link.index),
            other => other.map(drop),
        };
        // Without the rules nothing goes over the link: they go in any case.
        filter.apply(&leave(&rules)).map_err(|cause| JoinError::Rules(app, cause))?;
        removed.map_err(|cause| JoinError::RemoveLink(name, cause))
    }

    /// Opens ports of an address to an app for a time.
    pub(crate) fn open(
        &self,
        filter: &Socket,
        app: u8,
        address: Ipv4Addr,
        ports: &[Port],
        ttl_s: u32,
    ) -> Result<(), RequestError> {
        let Some((_, rules)) = self.rules.iter().find(|(number, _)| *number == app) else { return Ok(()) };
        let changes = open(rules, address, ports, u64::from(ttl_s).saturating_mul(1_000));
        if changes.is_empty() { Ok(()) } else { filter.apply(&changes) }
    }
}

/// Makes the pair of links and brings both ends up with their addresses and routes.
fn connect(routes: &Socket, inside: &Socket, app: u8, namespace: &OwnedFd) -> Result<(), JoinError> {
    let name = link_name(app);
    // One that could not be removed when the app left.
    if let Some(link) = routes.link(&name).map_err(|cause| JoinError::RemoveLink(name.clone(), cause))? {
        routes.delete_link(link.index).map_err(|cause| JoinError::RemoveLink(name.clone(), cause))?;
    }
    routes
        .add_pair(&name, UPLINK, namespace.as_fd())
        .map_err(|cause| JoinError::MakeLink(name.clone(), cause))?;
    let router = Address { address: ROUTER, prefix: 32 };
    let own = Address { address: app_address(app), prefix: 32 };
    end(routes, &name, |link| {
        routes.add_address(link.index, router)?;
        routes.set_up(link.index)?;
        routes.set_host_route(link.index, own.address, ROUTER)
    })?;
    end(inside, UPLINK, |link| {
        inside.add_address(link.index, own)?;
        inside.set_up(link.index)?;
        inside.set_default_route(link.index, ROUTER, own.address)
    })
}

fn end(
    socket: &Socket,
    name: &str,
    set_up: impl FnOnce(&Link) -> Result<(), RequestError>,
) -> Result<(), JoinError> {
    let failed =
        |cause| JoinError::SetUp(if name == UPLINK { "eth0 of the app" } else { "to the app" }, cause);
    let link = socket.link(name).map_err(failed)?;
    set_up(&link.ok_or_else(|| JoinError::NoLink(name.to_owned()))?).map_err(failed)
}
