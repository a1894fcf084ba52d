//! Carrying out what the state machines decide.

use nacre_netd_core::{dhcp, dns, dropped, ntp};
use nacre_wire::denial::Remedy;
use nacre_wire::net::Report;

use crate::appmgr::shortened;
use crate::daemon::Daemon;
use nacre_diag::CauseChain;

impl Daemon {
    pub(crate) fn dhcp(&mut self, actions: Vec<dhcp::Action>) {
        for action in actions {
            match action {
                dhcp::Action::Send { to, bytes } => self.uplink.send(to, &bytes),
                dhcp::Action::Bound(lease) => self.go_online(&lease),
                dhcp::Action::Lost(why) => self.go_offline(why),
                dhcp::Action::Log(text) => self.appmgr.log(text),
            }
        }
    }

    fn go_online(&mut self, lease: &dhcp::Lease) {
        if let Err(error) = self.uplink.bind(&self.routes, lease) {
            // The next renewal tries again.
            return self.go_offline(CauseChain(&error).to_string());
        }
        let (own, prefix) = (lease.address, lease.prefix);
        self.appmgr.report(&Report::Online { address: own.octets(), prefix });
        let online = dns::Event::Online { servers: &lease.name_servers, own, prefix };
        let actions = self.resolver.step(online);
        self.dns(actions);
        self.tell_time(ntp::Event::Online { servers: &lease.time_servers });
    }

    fn go_offline(&mut self, why: String) {
        if let Err(error) = self.uplink.release(&self.routes) {
            self.appmgr.log(CauseChain(&error).to_string());
        }
        self.appmgr.report(&Report::Offline { why: shortened(why) });
        let actions = self.resolver.step(dns::Event::Offline);
        self.dns(actions);
        self.tell_time(ntp::Event::Offline);
    }

    pub(crate) fn dns(&mut self, actions: Vec<dns::Action>) {
        // An app that gets an answer before what it says is open would be refused.
        let mut all_open = true;
        for action in actions {
            match action {
                dns::Action::Ask { query, server, bytes } => {
                    if !self.resolver.ask(&self.events, query, server, &bytes) {
                        let actions = self.resolver.step(dns::Event::Unreachable { query });
                        self.dns(actions);
                    }
                }
                dns::Action::Close { query } => self.resolver.close(query),
                dns::Action::Open { app, name, address, ports, ttl_s } => {
                    self.tell_watch(dropped::Event::Opened { app, name: &name, address, ports: &ports });
                    if let Err(error) = self.apps.open(&self.filter, app, address, &ports, ttl_s) {
                        all_open = false;
                        self.appmgr.log(format!("open {address} to an app: {}", CauseChain(&error)));
                    }
                }
                dns::Action::Answer { app, port, bytes } if all_open => {
                    self.resolver.answer(app, port, &bytes);
                }
                dns::Action::Answer { .. } => all_open = true,
                dns::Action::Denied { app, tried, entry } => {
                    let remedy = match entry {
                        Ok(entry) => Remedy::manifest("", "network.connect", &entry),
                        Err(reason) => Remedy::never(reason),
                    };
                    self.appmgr.report(&Report::Denied { app, tried: shortened(tried), remedy });
                }
                dns::Action::Resolved { name, addresses } => {
                    self.tell_time(ntp::Event::Resolved { name: &name, addresses: &addresses });
                }
                dns::Action::Log(text) => self.appmgr.log(text),
            }
        }
    }

    pub(crate) fn tell_time(&mut self, event: ntp::Event<'_>) {
        let actions = self.time.as_mut().map(|time| time.step(event)).unwrap_or_default();
        self.ntp(actions);
    }

    pub(crate) fn ntp(&mut self, actions: Vec<ntp::Action>) {
        for action in actions {
            match action {
                ntp::Action::Resolve { name } => {
                    let actions = self.resolver.step(dns::Event::Resolve { name: &name });
                    self.dns(actions);
                }
                ntp::Action::Send { to, bytes } => {
                    if let Some(time) = &mut self.time {
                        time.send(&self.events, to, &bytes);
                    }
                }
                ntp::Action::Time { unix_ms, server } => {
                    self.appmgr.report(&Report::Time { unix_ms, server });
                }
                ntp::Action::Log(text) => self.appmgr.log(text),
            }
        }
    }
}
