//! From a booted system to apps that can be started.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nacre_appmgr_core::Uptime;
use nacre_appmgr_core::access::Access;
use nacre_appmgr_core::claims::Claims;
use nacre_appmgr_core::critical::{Found, boot_failures};
use nacre_appmgr_core::denials::Denials;
use nacre_appmgr_core::fleet::{AppIndex, Fleet};
use nacre_appmgr_core::lifecycle::{Event, Lifecycle};
use nacre_appmgr_core::peers::Broker;
use nacre_appmgr_core::ports::Ports;
use nacre_manifest::component::ComponentId;
use nacre_manifest::device::{Restart, RestartPolicy};
use nacre_seccomp_policy::{Arch, watches};
use nacre_sys::sysctl::Settings;
use nacre_wire::message::MAX_APPS;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::app_network::{AppNetwork, MakeNetworkError};
use crate::cgroup::{self, Cgroup, CgroupError};
use crate::clock;
use crate::daemon::Daemon;
use crate::data_folder::{self, PrepareDataError};
use crate::device_channel::{self, Channel};
use crate::device_nodes::{self, MakeDevicesError};
use crate::devices;
use crate::event_loop::{EventLoop, Interest, Source};
use crate::identity::Identity;
use crate::image::{self, Image, LoadImageError};
use crate::launch::{self, LaunchError};
use crate::layers::OwnLayers;
use crate::log::Log;
use crate::network_service::NetworkService;
use crate::package_mount::{MountImageError, mount_image};
use crate::package_store::{self, OpenPackageError, Package};
use crate::paths::Paths;
use crate::slot::{Installed, Slot};
use crate::uids::{Origin, UidTable};
use nacre_app_session::StatsReader;
use nacre_app_session::app_socket::{Connections, Listener};
use nacre_diag::CauseChain;

/// Why the app manager cannot begin its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("learn what image this is")]
    Image(#[from] LoadImageError),
    #[error("wait for events")]
    Events(#[source] Errno),
    #[error("listen for apps")]
    Listen(#[source] io::Error),
    #[error("prepare the apps' groups")]
    Cgroups(#[source] CgroupError),
    #[error(transparent)]
    Devices(#[from] MakeDevicesError),
    /// Whatever it did next would be done in an app's network.
    #[error("make an app's network")]
    Network(#[source] MakeNetworkError),
}

/// Why an app is not started.
#[derive(Debug, thiserror::Error)]
enum InstallError {
    #[error("more than {MAX_APPS} packages are installed")]
    TooMany,
    #[error(transparent)]
    Open(#[from] OpenPackageError),
    #[error("no uid is free")]
    NoUid,
    #[error("note its uid")]
    StoreUids(#[source] io::Error),
    #[error(transparent)]
    Data(#[from] PrepareDataError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Image(#[from] MountImageError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    Network(#[from] MakeNetworkError),
    #[error("its devices: {0}")]
    Devices(String),
    #[error("have the kernel simulate GPIO lines")]
    Simulate(#[source] io::Error),
}

/// What each app has for itself.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) uids: UidTable,
    pub(crate) ports: Ports,
    pub(crate) claims: Claims,
    network: NetworkSettings,
}

/// Whether the kernel's settings for a device with a network are in place. They come before the first app's namespace,
/// which takes over some of them; a device without a network does without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum NetworkSettings {
    #[default]
    AsBooted,
    Applied,
}

/// How long the launches of a boot may hold up the device channel.
const LAUNCHES: Duration = Duration::from_secs(2);

/// What an app has for itself after its execution, before the app manager goes on with what can wait.
const LEAD: Duration = Duration::from_millis(50);

/// In the format of sysctl.conf(5).
const NETWORK_SETTINGS: &str = include_str!("network.conf");

impl Daemon {
    /// Prepares everything and starts the apps.
    pub(crate) fn start(paths: Paths, mut log: Log) -> Result<Self, StartError> {
        let image = Image::load(&paths.image_info)?;
        protect_from_oom(&paths.oom_score, &mut log);
        let events = EventLoop::new().map_err(StartError::Events)?;
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGTERM);
        mask.thread_block().map_err(StartError::Events)?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(StartError::Events)?;
        events.add(&signals, Source::Signals, Interest::Read).map_err(StartError::Events)?;
        let groups = cgroup::prepare(&paths.cgroups).map_err(StartError::Cgroups)?;
        device_nodes::make(&paths.mounts)?;
        let listener = Listener::bind(&paths.socket).map_err(StartError::Listen)?;
        events.add(listener.as_fd(), Source::Listener, Interest::Read).map_err(StartError::Events)?;
        let mut daemon = Self {
            image,
            log,
            fleet: Fleet::new(),
            broker: Broker::new(),
            slots: Vec::new(),
            by_uid: BTreeMap::new(),
            events,
            signals,
            listener,
            connections: Connections::default(),
            channel: None,
            opens_at: Some(clock::now().after(LAUNCHES)),
            stats: StatsReader::default(),
            network: NetworkService::new(paths.cgroups.join("netd"), clock::now()),
            denials: Denials::default(),
            identity: Identity::new(&paths.state),
            given: Given::default(),
            incoming: None,
            change: None,
            paths,
            groups,
        };
        daemon.install_all()?;
        Ok(daemon)
    }

    /// Does what only people wait for, once all apps of the boot run: it says what image this is, for a console is
    /// slow, and opens the device channel with what is needed only there.
    pub(crate) fn open_when_apps_run(&mut self, now: Uptime) {
        let Some(at) = self.opens_at else { return };
        if now < at {
            if !self.fleet.is_starting() {
                self.opens_at = Some(at.min(now.after(LEAD)));
            }
            return;
        }
        self.opens_at = None;
        for line in self.image.announcement(&image::slot()) {
            self.log.own(&line);
        }
        self.clear_incoming();
        self.resume_capability();
        self.channel = open_channel(&self.events, &mut self.log);
    }

    /// Opens every package, refuses what is not good, says whether the boot has failed, and starts the rest.
    fn install_all(&mut self) -> Result<(), StartError> {
        let apps = match package_store::scan(&self.paths.packages) {
            Ok((apps, others)) => {
                for name in others {
                    self.log
                        .own(&format!("package folder `{name}` has no component id for a name; passed over"));
                }
                apps
            }
            Err(error) => {
                let packages = self.paths.packages.display();
                self.log.own(&format!("read {packages}: {error}; no app is installed"));
                Vec::new()
            }
        };
        self.given.uids = self.load_uids(&apps);
        for id in apps {
            self.admit(&id).map_err(StartError::Network)?;
        }
        self.check_critical();
        let networks = self.slots.iter().enumerate().filter(|(_, slot)| slot.has_network());
        self.begin_network(networks.map(|(at, _)| AppIndex(at)).collect());
        let orders = self.fleet.start_all(clock::now());
        self.perform(orders);
        Ok(())
    }

    /// Opens the package of an app that has no process, and makes ready what it needs. Then it is down, or refused.
    /// The one error is that this process is in the wrong place now, and must end.
    pub(crate) fn admit(&mut self, id: &ComponentId) -> Result<AppIndex, MakeNetworkError> {
        let now = clock::now();
        let known = self.fleet.place_of(id);
        let room = if known.is_some() || self.fleet.iter().count() < MAX_APPS {
            Ok(())
        } else {
            Err(InstallError::TooMany)
        };
        let folder = self.paths.packages.join(id.as_str());
        let opened = room.and_then(|()| Ok(package_store::open(&folder, id, &self.image.app_keys)?));
        let manifest = opened.as_ref().ok().map(|package| &package.manifest);
        let lifecycle = Lifecycle::new(id.short(), &manifest.map_or(NO_RESTART, |of| of.restart), now);
        let networked = manifest.is_some_and(|of| of.network.is_some());
        let lifecycle = if networked { lifecycle.with_network() } else { lifecycle };
        let lifecycle = lifecycle.with_health(manifest.and_then(|of| of.health));
        let index = match known {
            Some(index) => {
                self.fleet.renew(index, lifecycle);
                index
            }
            None => self.fleet.add(id.clone(), lifecycle),
        };
        let slot = Slot::new(id.clone(), now);
        match self.slots.get_mut(index.0) {
            Some(old) => *old = slot,
            None => self.slots.push(slot),
        }
        self.given.ports.take(id);
        self.given.claims.take(id);
        let installed = opened.and_then(|package| {
            let installed = self.install(&package, index)?;
            Ok((package, installed))
        });
        match installed {
            Ok((package, installed)) => {
                if let Some(slot) = self.slots.get_mut(index.0) {
                    slot.fill(package, installed);
                }
            }
            Err(InstallError::Network(error)) if error.is_fatal() => return Err(error),
            Err(error) => {
                let orders = self.fleet.step(index, Event::Refused(CauseChain(&error).to_string()), now);
                self.perform(orders);
            }
        }
        Ok(index)
    }

    fn install(&mut self, package: &Package, index: AppIndex) -> Result<Installed, InstallError> {
        let Given { uids, ports, claims, network: network_settings } = &mut self.given;
        let paths = &self.paths;
        let manifest = &package.manifest;
        let name = manifest.app.as_str();
        let listen = manifest.network.as_ref().map_or(&[][..], |network| &network.listen);
        ports.check(&manifest.app, listen).map_err(MakeNetworkError::Port)?;
        claims
            .check(&manifest.app, &manifest.devices, &self.image.info.devices)
            .map_err(InstallError::Devices)?;
        if !manifest.devices.gpio.is_empty() {
            devices::simulate(&self.image.info.devices.simulated).map_err(InstallError::Simulate)?;
        }
        let uid = match uids.get(&manifest.app) {
            Some(uid) => uid,
            None => {
                let uid = uids.assign(&manifest.app).ok_or(InstallError::NoUid)?;
                // Before anything belongs to it: a uid that is forgotten could be given twice.
                uids.store(&paths.state).map_err(InstallError::StoreUids)?;
                uid
            }
        };
        let layers_off = self.image.info.layers_off_for(&manifest.app);
        let layers = OwnLayers::new(&layers_off);
        if manifest.data_bytes > 0 {
            let bytes = layers.data_bytes(manifest.data_bytes);
            data_folder::prepare(&paths.app_data.join(name), uid, bytes)?;
        }
        let root: PathBuf = paths.mounts.join(name).join("root");
        let mounted = mount_image(package, &root)?;
        let cgroup = Cgroup::create(self.groups.join(name), &layers.limits(&manifest.limits))?;
        let spec = launch::describe(package, uid, &root, paths, &layers_off);
        let network = manifest.network.as_ref();
        if network.is_some() && *network_settings == NetworkSettings::AsBooted {
            apply_network_settings(&mut self.log);
            *network_settings = NetworkSettings::Applied;
        }
        let network = network.map(|network| AppNetwork::make(index, &manifest.app, network)).transpose()?;
        ports.give(listen, &manifest.app);
        claims.give(&manifest.devices, &manifest.app);
        self.by_uid.insert(uid, index);
        let access = Access::of(manifest);
        let watched =
            self.image.info.development && Arch::NATIVE.is_some_and(|arch| watches(&package.filter, arch));
        Ok(Installed { mounted, cgroup, spec, network, watched, access, limits: manifest.limits, layers })
    }

    fn load_uids(&mut self, apps: &[ComponentId]) -> UidTable {
        let paths = &self.paths;
        for folder in [&paths.app_data, &paths.state] {
            match DirBuilder::new().mode(0o700).create(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    self.log.own(&format!("create {}: {error}", folder.display()));
                }
                _ => {}
            }
        }
        let (mut uids, origin) = UidTable::load(&paths.state, &paths.app_data);
        if origin == Origin::BadFile {
            self.log
                .own("the table of uids is damaged; it is made again from the owners of the data folders");
        }
        uids.retain(|app| {
            apps.contains(app) || fs::exists(paths.app_data.join(app.as_str())).unwrap_or(true)
        });
        uids
    }

    fn check_critical(&mut self) {
        let found = |app: &ComponentId| {
            let (index, _, lifecycle) = self.fleet.iter().find(|(_, id, _)| *id == app)?;
            Some(match self.slots.get(index.0).and_then(|slot| slot.package) {
                Some(package) => Found::Accepted { rollback_index: package.rollback_index },
                None => Found::Refused(lifecycle.refusal().unwrap_or("its package is not good")),
            })
        };
        let failures = boot_failures(&self.image.info.critical, found);
        let orders = self.fleet.fail_boot(&failures, clock::now());
        self.perform(orders);
    }
}

/// How willingly the kernel kills the app manager when the machine's memory runs out (`proc_pid_oom_score_adj(5)`):
/// after every app, whose launcher sets 500. Not -1000: the launcher inherits it, and within an app's group a
/// process that cannot be killed would keep the kernel looking for another.
const OOM_SCORE: &str = "-900";

fn protect_from_oom(file: &Path, log: &mut Log) {
    if let Err(error) = fs::write(file, OOM_SCORE) {
        log.own(&format!("write {}: {error}; an app may cost the app manager its life", file.display()));
    }
}

fn apply_network_settings(log: &mut Log) {
    match Settings::open() {
        Ok(settings) => {
            for (name, cause) in settings.apply(NETWORK_SETTINGS) {
                log.own(&format!("set {name}: {cause}"));
            }
        }
        Err(cause) => log.own(&format!("open /proc/sys: {cause}; no setting of the network is applied")),
    }
}

/// For an app whose manifest is not known: it is never started.
const NO_RESTART: Restart = Restart {
    policy: RestartPolicy::Never,
    backoff_min_ms: 0,
    backoff_max_ms: 0,
    limit_count: 0,
    limit_window_ms: 0,
};

fn open_channel(events: &EventLoop, log: &mut Log) -> Option<Channel> {
    let port = match device_channel::open()? {
        Ok(port) => port,
        Err(error) => {
            log.own(&format!("open the device channel: {error}"));
            return None;
        }
    };
    let channel = Channel::new(Box::new(port));
    match events.add(channel.as_fd(), Source::Channel, Interest::Change) {
        Ok(()) => Some(channel),
        Err(error) => {
            log.own(&format!("wait for the device channel: {error}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use nacre_sys::sysctl::lines;

    use super::*;

    #[test]
    fn settings_of_the_network_are_names_with_one_value_each() {
        let all: Vec<(&str, &str)> = lines(NETWORK_SETTINGS).collect();
        assert!(all.contains(&("net.ipv4.ip_forward", "1")), "{all:?}");
        for (name, value) in &all {
            assert!(name.starts_with("net.") && value.parse::<u32>().is_ok(), "{name} = {value}");
            assert_eq!(all.iter().filter(|(other, _)| other == name).count(), 1, "{name} stands there twice");
        }
        let lines =
            NETWORK_SETTINGS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        assert_eq!(all.len(), lines);
    }
}
