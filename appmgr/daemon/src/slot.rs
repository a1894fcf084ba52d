//! What the app manager holds of one app.

use std::rc::Rc;

use nacre_appmgr_core::Uptime;
use nacre_appmgr_core::access::Access;
use nacre_appmgr_core::fleet::AppIndex;
use nacre_appmgr_core::lifecycle::Lifecycle;
use nacre_appmgr_core::log_intake::Budget;
use nacre_appmgr_core::notification_budget::NotificationBudget;
use nacre_appmgr_core::peers::Party;
use nacre_appmgr_core::request_budget::RequestBudget;
use nacre_manifest::component::ComponentId;
use nacre_manifest::device::{Devices, EventKind, Health, Limits, SystemGrant};
use nacre_sandbox::LaunchSpec;
use nacre_wire::message::MAX_STATUS_TEXT;
use nacre_wire::status::AppStatus;

use crate::app_network::AppNetwork;
use crate::cgroup::Cgroup;
use crate::layers::OwnLayers;
use crate::limits::Told;
use crate::package_mount::MountedImage;
use crate::package_store::Package;
use crate::process::Process;

/// What is needed to start an app.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) mounted: MountedImage,
    pub(crate) cgroup: Cgroup,
    /// The encoded launch description.
    pub(crate) spec: LaunchSpec,
    pub(crate) network: Option<AppNetwork>,
    /// Its filter tells of calls that it would have allowed ([`nacre_seccomp_policy::WATCHED`]).
    pub(crate) watched: bool,
    /// What Landlock and the mounts let it do.
    pub(crate) access: Access,
    /// What it may use up, as its manifest has it.
    pub(crate) limits: Limits,
    /// The layers around it that are the app manager's own.
    pub(crate) layers: OwnLayers,
}

/// What is told of a good package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackageFacts {
    pub(crate) rollback_index: u64,
    pub(crate) image_bytes: u64,
    pub(crate) data_bytes: u64,
}

/// One app.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) id: ComponentId,
    /// Its name in the log.
    pub(crate) source: Rc<str>,
    /// Its version for people; empty if the package was refused.
    pub(crate) version: String,
    pub(crate) system: Vec<SystemGrant>,
    pub(crate) peers: Vec<ComponentId>,
    pub(crate) devices: Devices,
    pub(crate) health: Option<Health>,
    pub(crate) events: Vec<EventKind>,
    /// `None` if the package was refused.
    pub(crate) package: Option<PackageFacts>,
    /// `None` if the package was refused.
    pub(crate) installed: Option<Installed>,
    pub(crate) process: Option<Process>,
    pub(crate) budget: Budget,
    /// Until when its output is not read.
    pub(crate) paused_until: Option<Uptime>,
    /// It was told in this run that it writes too fast.
    pub(crate) slowed: bool,
    /// Has news when it is refused a process or a thread.
    pub(crate) refused_tasks: Option<std::fs::File>,
    /// The limits that it ran into, and of which it was told.
    pub(crate) limits_told: Told,
    pub(crate) requests: RequestBudget,
    pub(crate) notifications: NotificationBudget,
    /// Until when its denied calls are not answered.
    pub(crate) unanswered_until: Option<Uptime>,
    /// When it will have read of its image what it needs to begin.
    pub(crate) begun_at: Option<Uptime>,
    /// Until when its requests are not read.
    pub(crate) unheard_until: Option<Uptime>,
    /// It was told in this run that it asks too much.
    pub(crate) asks_too_much: bool,
}

impl Slot {
    /// An app whose package was refused, or is still to be filled in.
    pub(crate) fn new(id: ComponentId, now: Uptime) -> Self {
        Self {
            source: id.as_str().into(),
            id,
            version: String::new(),
            system: Vec::new(),
            peers: Vec::new(),
            devices: Devices::default(),
            health: None,
            events: Vec::new(),
            package: None,
            installed: None,
            process: None,
            budget: Budget::new(now),
            paused_until: None,
            slowed: false,
            refused_tasks: None,
            limits_told: Told::default(),
            notifications: NotificationBudget::new(now),
            unanswered_until: None,
            begun_at: None,
            requests: RequestBudget::new(now),
            unheard_until: None,
            asks_too_much: false,
        }
    }

    /// Takes over what a good package says.
    pub(crate) fn fill(&mut self, package: Package, installed: Installed) {
        let manifest = package.manifest;
        self.package = Some(PackageFacts {
            rollback_index: manifest.rollback_index,
            image_bytes: package.image_bytes,
            data_bytes: manifest.data_bytes,
        });
        self.version = manifest.version;
        self.system = manifest.system;
        self.peers = manifest.peers;
        self.devices = manifest.devices;
        self.health = manifest.health;
        self.events = manifest.events;
        self.installed = Some(installed);
    }

    /// How others see it.
    pub(crate) fn party(&self, index: AppIndex) -> Party<'_> {
        Party { index, id: &self.id, peers: &self.peers }
    }

    /// Whether it has a network of its own.
    pub(crate) fn has_network(&self) -> bool {
        self.installed.as_ref().is_some_and(|installed| installed.network.is_some())
    }

    /// Its version, as far as a message holds it.
    pub(crate) fn version_text(&self) -> String {
        cut(&self.version, MAX_STATUS_TEXT)
    }

    /// Its state for apps and clients.
    pub(crate) fn status(&self, lifecycle: &Lifecycle, now: Uptime) -> AppStatus {
        let memory = self.process.as_ref().and(self.installed.as_ref());
        AppStatus {
            app: self.id.to_string(),
            version: self.version_text(),
            state: lifecycle.app_state(),
            restarts: lifecycle.restarts(),
            memory_kib: memory.map_or(0, |installed| installed.cgroup.memory_kib()),
            since_ms: u64::try_from(now.since(lifecycle.since()).as_millis()).unwrap_or(u64::MAX),
            last_end: lifecycle.last_end().map(|end| cut(end, MAX_STATUS_TEXT)),
        }
    }
}

/// The start of a text, at most so many bytes.
fn cut(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_ends_between_characters() {
        assert_eq!(cut("short", 10), "short");
        assert_eq!(cut("aéé", 4), "aé");
        assert_eq!(cut("é", 1), "");
    }
}
