//! An app's network: a namespace that outlives its runs, and what netd is told of it.

use std::os::fd::{AsFd, BorrowedFd};

use nacre_appmgr_core::fleet::AppIndex;
use nacre_manifest::component::ComponentId;
use nacre_manifest::device::{self, Network, Port, Protocol};
use nacre_sandbox::NetworkSpec;
use nacre_sys::netns::{self, MakeNamespaceError, NetworkNamespace};
use nacre_wire::message::{self, MessageError};
use nacre_wire::net::Order;
use nix::errno::Errno;

use crate::netd;

/// Settings of an app's namespace, where nobody else is: which ports the app binds is up to Landlock, so it needs
/// no capability for the low ones.
const SETTINGS: [(&str, &str); 1] = [("net/ipv4/ip_unprivileged_port_start", "0")];

/// Why an app gets no network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeNetworkError {
    #[error("its network: {0}")]
    Port(String),
    #[error("its network is too much to be told to netd")]
    Policy(#[source] MessageError),
    #[error(transparent)]
    Namespace(#[from] MakeNamespaceError),
}

impl MakeNetworkError {
    /// Whether this process is in the wrong place now, and must end.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self, Self::Namespace(MakeNamespaceError::Return(_)))
    }
}

/// The network of one app.
#[derive(Debug)]
pub(crate) struct AppNetwork {
    namespace: NetworkNamespace,
    /// The encoded order to join it.
    order: Vec<u8>,
}

impl AppNetwork {
    /// Makes the namespace.
    pub(crate) fn make(app: AppIndex, id: &ComponentId, network: &Network) -> Result<Self, MakeNetworkError> {
        let order = order(app, id, network).map_err(MakeNetworkError::Policy)?;
        Ok(Self { namespace: netns::make(&SETTINGS)?, order })
    }

    /// The namespace, for the launcher.
    pub(crate) fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.namespace.as_fd()
    }

    /// Orders netd to join it.
    pub(crate) fn order_join(&self, netd: BorrowedFd<'_>) -> Result<(), Errno> {
        let NetworkNamespace { namespace, routes } = &self.namespace;
        netd::send(netd, &self.order, &[namespace.as_fd(), routes.as_fd()])
    }
}

fn order(app: AppIndex, id: &ComponentId, network: &Network) -> Result<Vec<u8>, MessageError> {
    let number = u8::try_from(app.0).map_err(|_| MessageError::TooLong("the app's number"))?;
    let network = device::encode(network);
    message::encode(&Order::Join { app: number, name: id.short().to_owned(), network })
}

/// What of it the launcher enforces: TCP ports.
pub(crate) fn describe(network: &Network) -> NetworkSpec {
    let tcp = |port: &Port| (port.protocol == Protocol::Tcp).then_some(port.number);
    let mut connect: Vec<u16> = network.connect.iter().filter_map(|remote| tcp(&remote.port)).collect();
    connect.sort_unstable();
    connect.dedup();
    NetworkSpec { bind: network.listen.iter().filter_map(tcp).collect(), connect }
}

#[cfg(test)]
mod tests {
    use nacre_manifest::device::{Host, Remote};

    use super::*;

    fn port(protocol: Protocol, number: u16) -> Port {
        Port { protocol, number }
    }

    fn remote(name: &str, port: Port) -> Remote {
        Remote { host: Host::Name(name.to_owned()), port }
    }

    #[test]
    fn launcher_is_told_the_tcp_ports_each_once() {
        let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
        let network = Network {
            connect: vec![
                remote("a.example", port(tcp, 443)),
                remote("b.example", port(tcp, 80)),
                remote("b.example", port(udp, 123)),
                remote("c.example", port(tcp, 443)),
            ],
            listen: vec![port(tcp, 8080), port(udp, 9000)],
        };
        assert_eq!(describe(&network), NetworkSpec { bind: vec![8080], connect: vec![80, 443] });
    }

    #[test]
    fn order_holds_the_policy_as_the_manifest_has_it_and_no_more_than_fits() {
        let id: ComponentId = "org.nacre.panel".parse().unwrap();
        let of = |count: u16| Network {
            connect: (0..count).map(|at| remote(&"n".repeat(253), port(Protocol::Tcp, at + 1))).collect(),
            listen: vec![],
        };
        let bytes = order(AppIndex(3), &id, &of(32)).unwrap();
        let Order::Join { app, name, network } = message::decode(&bytes).unwrap() else { panic!() };
        assert_eq!((app, name.as_str()), (3, "panel"));
        assert_eq!(device::decode::<Network>(&network).unwrap(), of(32));
        assert!(matches!(order(AppIndex(3), &id, &of(100)), Err(MessageError::TooLong(_))));
        assert!(order(AppIndex(256), &id, &of(1)).is_err());
    }
}
