//! Which app has which port of the device.

use nacre_manifest::component::ComponentId;
use nacre_manifest::device::Port;

/// The ports that apps listen on: each has one owner.
#[derive(Debug, Default)]
pub struct Ports {
    owners: Vec<(Port, ComponentId)>,
}

impl Ports {
    /// Whether no app but this one has any of these ports.
    ///
    /// # Errors
    /// In words: the first that is taken, and by whom.
    pub fn check(&self, app: &ComponentId, ports: &[Port]) -> Result<(), String> {
        match self.owners.iter().find(|(port, owner)| owner != app && ports.contains(port)) {
            None => Ok(()),
            Some((port, owner)) => Err(format!("it listens on {port}, and so does {owner}")),
        }
    }

    /// Takes all of its ports away from an app.
    pub fn take(&mut self, app: &ComponentId) {
        self.owners.retain(|(_, owner)| owner != app);
    }

    /// Gives them to an app.
    pub fn give(&mut self, ports: &[Port], app: &ComponentId) {
        self.owners.extend(ports.iter().map(|port| (*port, app.clone())));
    }
}

#[cfg(test)]
mod tests {
    use nacre_manifest::device::Protocol;

    use super::*;

    #[test]
    fn port_of_another_app_is_refused_with_its_name() {
        let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
        let port = |protocol, number| Port { protocol, number };
        let mut ports = Ports::default();
        ports.give(&[port(tcp, 80), port(tcp, 8080)], &"org.nacre.panel".parse().unwrap());
        let other = "org.nacre.other".parse().unwrap();
        assert_eq!(ports.check(&other, &[port(udp, 8080), port(tcp, 81)]), Ok(()));
        assert_eq!(ports.check(&other, &[]), Ok(()));
        assert_eq!(
            ports.check(&other, &[port(tcp, 81), port(tcp, 8080)]),
            Err("it listens on tcp:8080, and so does org.nacre.panel".into())
        );
        let owner = "org.nacre.panel".parse().unwrap();
        assert_eq!(ports.check(&owner, &[port(tcp, 80)]), Ok(()), "its own");
        ports.take(&owner);
        assert_eq!(ports.check(&other, &[port(tcp, 80)]), Ok(()), "given back");
    }
}
