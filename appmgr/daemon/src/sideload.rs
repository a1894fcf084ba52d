//! Packages that come and go while the device runs.
//!
//! A new package is received beside the installed ones ([`crate::incoming`]) and checked there as at the start of the
//! system. Then the two folders change places in one step, the old app is stopped, and the new one made ready; should
//! that fail, they change back. The old package is deleted last. Whenever the power goes, one of the two is whole in its
//! place, and what lies in the folder of incoming packages is deleted at the next start.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use nacre_appmgr_core::Uptime;
use nacre_appmgr_core::fleet::AppIndex;
use nacre_appmgr_core::lifecycle::Event;
use nacre_manifest::component::ComponentId;
use nacre_manifest::device::Manifest;
use nacre_sys::exchange::exchange;
use nacre_verify::capability::Permission;
use nacre_wire::channel::{Answer, Package as Listed};
use nacre_wire::message::MAX_APPS;
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sys::statvfs::statvfs;

use crate::app_network::MakeNetworkError;
use crate::channel_commands::refusal;
use crate::clock;
use crate::daemon::Daemon;
use crate::identity::PresentError;
use crate::incoming::{Incoming, ReceiveError};
use crate::package_store::Package;
use crate::plain_file;
use crate::slot::Slot;
use nacre_diag::CauseChain;

/// After so long without a piece, another client's package takes the place of one that is being received.
const SILENCE: Duration = Duration::from_secs(10);

/// What the OS keeps free of the data partition for its own records, in bytes.
const OWN_BYTES: u64 = 32 * 1024;

/// netd, without which no app has a network.
const NETD: &str = "/sbin/netd";

/// An app that is replaced or removed once it has stopped, and who asked for it.
#[derive(Debug)]
pub(crate) struct Change {
    session: u32,
    id: u32,
    app: ComponentId,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The new package is in its place. Was another one there before?
    Install { replaces: bool },
    /// The package is to go, and with it, if so asked, what the app has stored.
    Remove { data: bool },
}

/// Why a package does not come or go.
#[derive(Debug)]
enum Objection {
    /// It may not.
    Refused(String),
    /// It can't now.
    Later(String),
}

impl From<Objection> for Answer {
    fn from(objection: Objection) -> Self {
        match objection {
            Objection::Refused(text) => Self::Refused(text),
            Objection::Later(text) => Self::Later(text),
        }
    }
}

impl Daemon {
    /// Deletes what an interrupted installation has left.
    pub(crate) fn clear_incoming(&mut self) {
        if let Err(error) = plain_file::remove_tree(&self.paths.incoming) {
            self.log.own(&format!("delete {}: {error}", self.paths.incoming.display()));
        }
    }

    /// Goes on with a device capability that was presented before.
    pub(crate) fn resume_capability(&mut self) {
        let said = self.identity.resume(&self.image.capability_keys, clock::now());
        said.into_iter().for_each(|text| self.log.own(&text));
    }

    /// Counts what is left of the device capability.
    pub(crate) fn pass_capability(&mut self, now: Uptime) {
        let said = self.identity.pass(now);
        said.into_iter().for_each(|text| self.log.own(&text));
    }

    /// Takes a device capability.
    pub(crate) fn present(&mut self, signed: &[u8]) -> Answer {
        match self.identity.present(signed, &self.image.capability_keys, clock::now()) {
            Ok(()) => {
                self.log.own("a device capability was presented: sideloading is allowed for its time");
                Answer::Done
            }
            Err(error) => {
                let text = CauseChain(&error).to_string();
                self.log.own(&format!("a device capability was refused: {text}"));
                match error {
                    PresentError::Verify(_) => Answer::Unverified(text),
                    PresentError::OtherDevice(..) | PresentError::OtherNonce => Answer::Refused(text),
                    PresentError::Kept(_) => Answer::Later(text),
                }
            }
        }
    }

    /// Whether packages may come and go now, and if not, what to answer.
    fn may_change(&mut self) -> Result<(), Objection> {
        if self.fleet.is_closing() {
            return Err(Objection::Refused("the device is going down".into()));
        }
        self.pass_capability(clock::now());
        if !self.image.info.development && !self.identity.permits(Permission::Sideload) {
            return Err(Objection::Refused(
                "this is a production image: without a device capability that allows sideloading, packages don't \
                 come or go over the device channel"
                    .into(),
            ));
        }
        if self.change.is_some() {
            return Err(Objection::Later("another app is being replaced or removed".into()));
        }
        Ok(())
    }

    /// Begins to receive a package.
    pub(crate) fn begin_install(&mut self, session: u32, lengths: (u32, u32)) -> Answer {
        if let Err(objection) = self.may_change() {
            return objection.into();
        }
        let now = clock::now();
        let other = self.incoming.as_ref().filter(|other| other.session != session);
        if other.is_some_and(|other| now.since(other.heard) < SILENCE) {
            return Answer::Later("another package is being received".into());
        }
        self.incoming = None;
        match Incoming::begin(&self.paths.incoming, session, lengths, now) {
            Ok(incoming) => {
                self.incoming = Some(incoming);
                Answer::Done
            }
            Err(error) => self.give_up_package(&error),
        }
    }

    /// Takes the next bytes of a package. As soon as it is known what it is, it is held against what is installed.
    pub(crate) fn take_piece(&mut self, session: u32, offset: u32, bytes: &[u8]) -> Answer {
        let Some(mut incoming) = self.incoming.take_if(|incoming| incoming.session == session) else {
            return Answer::Refused("no package is being received".into());
        };
        incoming.heard = clock::now();
        let checked = match incoming.take(offset, bytes, &self.image.app_keys) {
            Ok(Some(package)) => self.may_change().and_then(|()| self.check_new(package)),
            Ok(None) => Ok(()),
            Err(error) => return self.give_up_package(&error),
        };
        match checked {
            Ok(()) => {
                self.incoming = Some(incoming);
                Answer::Done
            }
            Err(objection) => {
                drop(incoming);
                self.clear_incoming();
                objection.into()
            }
        }
    }

    /// What came is not installed.
    fn give_up_package(&mut self, error: &ReceiveError) -> Answer {
        let text = CauseChain(error).to_string();
        self.log.own(&format!("a package is not installed: {text}"));
        self.clear_incoming();
        match error {
            ReceiveError::Write(_) => Answer::Later(text),
            _ => Answer::Unverified(text),
        }
    }

    /// Whether a package that an app key has signed may be installed beside the others.
    fn check_new(&mut self, package: &Package) -> Result<(), Objection> {
        let manifest = &package.manifest;
        let app = &manifest.app;
        let refuse = |text: String| Err(Objection::Refused(format!("{app} is not installed: {text}")));
        let index = self.fleet.place_of(app);
        let installed = index.and_then(|index| self.slots.get(index.0)?.package);
        let critical = self.image.info.critical.iter().find(|critical| critical.app == *app);
        let least = critical.map_or(0, |critical| critical.min_rollback_index);
        let least = installed.map_or(least, |installed| least.max(installed.rollback_index));
        if manifest.rollback_index < least {
            let found = manifest.rollback_index;
            return refuse(format!("its rollback index is {found}, and this device has come to {least}"));
        }
        if index.is_none() && self.fleet.iter().count() >= MAX_APPS {
            return refuse(format!("this device has {MAX_APPS} apps, which is the most"));
        }
        if manifest.network.is_some() && !Path::new(NETD).exists() {
            return refuse(
                "it asks for a network, and this image has no netd: no app of its recipe does".into(),
            );
        }
        let listen = manifest.network.as_ref().map_or(&[][..], |network| &network.listen);
        if let Err(text) = self.given.ports.check(app, listen) {
            return refuse(text);
        }
        if let Err(text) = self.given.claims.check(app, &manifest.devices, &self.image.info.devices) {
            return refuse(text);
        }
        self.check_room(package, installed.map_or(0, |installed| installed.data_bytes))
    }

    /// Whether the data partition has room for the image, and for all that the apps are promised besides.
    fn check_room(&self, package: &Package, promised_before: u64) -> Result<(), Objection> {
        let later = |text: String| Err(Objection::Later(text));
        // The numbers have 32 bits on ARM.
        #[allow(clippy::useless_conversion)]
        let free = match statvfs(&self.paths.incoming) {
            Ok(found) => u64::from(found.blocks_available()).saturating_mul(u64::from(found.fragment_size())),
            Err(error) => return later(format!("learn what is free on the data partition: {error}")),
        };
        // Its hash tree, and what the filesystem needs to find it: fs/verity begins the tree at the next 64 KiB.
        let image = package.image_bytes.saturating_add(package.image_bytes / 16).saturating_add(OWN_BYTES);
        let promised = self.promised().saturating_sub(promised_before);
        let promised = promised.saturating_add(package.manifest.data_bytes);
        if image.saturating_add(promised) <= free {
            return Ok(());
        }
        let kib = |bytes: u64| bytes.div_ceil(1024);
        later(format!(
            "no room: {} KiB are free on the data partition, the package needs {} KiB until the old one is deleted, \
             and apps may still store {} KiB",
            kib(free),
            kib(image),
            kib(promised)
        ))
    }

    /// What apps may still store, at most.
    fn promised(&self) -> u64 {
        let facts = self.slots.iter().filter_map(|slot| Some((slot.package?.data_bytes, slot)));
        facts
            .map(|(bytes, slot)| {
                let folder = self.paths.app_data.join(slot.id.as_str());
                let used =
                    self.given.uids.get(&slot.id).map_or(0, |uid| crate::data_folder::used(&folder, uid));
                bytes.saturating_sub(used)
            })
            .fold(0, u64::saturating_add)
    }

    /// The package is whole: checks it and puts it in its place. The answer may come later.
    pub(crate) fn commit_install(&mut self, session: u32, id: u32) -> Option<Answer> {
        let Some(incoming) = self.incoming.take_if(|incoming| incoming.session == session) else {
            return Some(Answer::Refused("no package is being received".into()));
        };
        let package = match incoming.finish() {
            Ok(package) => package,
            Err(error) => return Some(self.give_up_package(&error)),
        };
        // Once more: others may have come meanwhile, and time has passed.
        let allowed = self.may_change().and_then(|()| self.check_new_places(&package.manifest));
        if let Err(objection) = allowed {
            self.clear_incoming();
            return Some(objection.into());
        }
        let app = package.manifest.app;
        let replaces = match self.put_in_place(&app) {
            Ok(replaces) => replaces,
            Err(error) => return Some(self.give_up_package(&ReceiveError::Write(error))),
        };
        let version = package.manifest.version;
        self.log.own(&format!("{app} {version} is installed: asked through the device channel"));
        self.begin_change(Change { session, id, app, kind: Kind::Install { replaces } });
        None
    }

    fn check_new_places(&self, manifest: &Manifest) -> Result<(), Objection> {
        let listen = manifest.network.as_ref().map_or(&[][..], |network| &network.listen);
        let (app, info) = (&manifest.app, &self.image.info);
        let ports = self.given.ports.check(app, listen);
        ports
            .and_then(|()| self.given.claims.check(app, &manifest.devices, &info.devices))
            .map_err(Objection::Refused)
    }

    /// What is incoming and what is installed change places, or the one takes the empty place of the other; whether
    /// there was another one.
    fn put_in_place(&self, app: &ComponentId) -> io::Result<bool> {
        let (incoming, place) = (&self.paths.incoming, self.paths.packages.join(app.as_str()));
        let replaces = match exchange(incoming, &place) {
            Ok(()) => true,
            Err(Errno::ENOENT) => {
                fs::rename(incoming, &place)?;
                false
            }
            Err(error) => return Err(error.into()),
        };
        self.sync_places()?;
        Ok(replaces)
    }

    fn sync_places(&self) -> io::Result<()> {
        plain_file::sync_folder(&self.paths.packages)?;
        self.paths.incoming.parent().map_or(Ok(()), plain_file::sync_folder)
    }

    /// Stops an app and removes its package. The answer comes once it has stopped.
    pub(crate) fn begin_remove(&mut self, session: u32, id: u32, name: &str, data: bool) -> Option<Answer> {
        if let Err(objection) = self.may_change() {
            return Some(objection.into());
        }
        let index = match self.fleet.find(name) {
            Ok(index) => index,
            Err(error) => return Some(refusal(error)),
        };
        let (app, _) = self.fleet.get(index)?;
        let app = app.clone();
        if self.image.info.critical.iter().any(|critical| critical.app == app) {
            let text = format!("{app} is not removed: this image counts a boot without it as failed");
            return Some(Answer::Refused(text));
        }
        self.log.own(&format!("{app} is removed: asked through the device channel"));
        self.begin_change(Change { session, id, app, kind: Kind::Remove { data } });
        None
    }

    /// Stops the app, if it runs, and goes on when it has stopped.
    fn begin_change(&mut self, change: Change) {
        let index = self.fleet.place_of(&change.app);
        self.change = Some(change);
        match index {
            Some(index) => self.happen(index, Event::Stop),
            None => self.make_change(),
        }
    }

    /// Something has happened to an app: if it has stopped now and is to be changed, it is.
    pub(crate) fn go_on_with_change(&mut self, index: AppIndex) {
        let Some(change) = &self.change else { return };
        let of = self.fleet.get(index).filter(|(id, _)| **id == change.app);
        if of.is_some_and(|(_, lifecycle)| !lifecycle.has_process()) {
            self.make_change();
        }
    }

    fn make_change(&mut self) {
        let Some(Change { session, id, app, kind }) = self.change.take() else { return };
        let answer = match kind {
            Kind::Install { replaces } => self.finish_install(&app, replaces),
            Kind::Remove { data } => self.finish_remove(&app, data),
        };
        self.answer(session, id, answer);
    }

    fn finish_install(&mut self, app: &ComponentId, replaces: bool) -> Answer {
        let Some(why) = self.ready(app) else {
            self.clear_incoming();
            return Answer::Done;
        };
        // As it was before.
        let place = self.paths.packages.join(app.as_str());
        let back = if replaces {
            exchange(&self.paths.incoming, &place).map_err(io::Error::from)
        } else {
            fs::rename(&place, &self.paths.incoming)
        };
        if let Err(error) = back.and_then(|()| self.sync_places()) {
            self.log.own(&format!("put the old package of {app} back: {error}"));
        } else if replaces {
            self.ready(app);
        } else {
            self.forget(app);
        }
        self.clear_incoming();
        Answer::Refused(format!("{app} is not installed: {why}"))
    }

    /// Makes ready what is in an app's place now, and starts it; why not, if it is refused.
    fn ready(&mut self, app: &ComponentId) -> Option<String> {
        let had_network =
            self.fleet.place_of(app).and_then(|at| self.slots.get(at.0)).is_some_and(Slot::has_network);
        let index = match self.admit(app) {
            Ok(index) => index,
            Err(error) => self.end_for(&error),
        };
        self.denials.forget(index);
        let has_network = self.slots.get(index.0).is_some_and(Slot::has_network);
        if had_network || has_network {
            self.change_network(index, has_network);
        }
        if let Some(why) = self.fleet.get(index).and_then(|(_, lifecycle)| lifecycle.refusal()) {
            return Some(why.to_owned());
        }
        if !self.fleet.is_closing() {
            self.happen(index, Event::Start);
        }
        None
    }

    /// This process is in an app's network, and must not go on in it: init starts another one.
    fn end_for(&mut self, error: &MakeNetworkError) -> ! {
        self.log.own(&CauseChain(error).to_string());
        std::process::exit(1)
    }

    fn finish_remove(&mut self, app: &ComponentId, data: bool) -> Answer {
        let place = self.paths.packages.join(app.as_str());
        self.clear_incoming();
        // In one step: half a package would be refused at the next start, and told as damage.
        let removed = fs::rename(&place, &self.paths.incoming).and_then(|()| self.sync_places());
        if let Err(error) = removed {
            return Answer::Later(format!("{app} is not removed: {error}"));
        }
        self.forget(app);
        self.clear_incoming();
        if !data {
            return Answer::Done;
        }
        let folder = self.paths.app_data.join(app.as_str());
        let removed =
            plain_file::remove_tree(&folder).and_then(|()| plain_file::sync_folder(&self.paths.app_data));
        // The uid goes last: nothing belongs to it any more.
        self.given.uids.retain(|other| other != app);
        match removed.and_then(|()| self.given.uids.store(&self.paths.state)) {
            Ok(()) => Answer::Done,
            Err(error) => Answer::Later(format!("{app} is removed, but not all of its data: {error}")),
        }
    }

    /// Forgets an app that has no process and no package any more.
    fn forget(&mut self, app: &ComponentId) {
        let Some(index) = self.fleet.place_of(app) else { return };
        self.change_network(index, false);
        self.fleet.remove(index);
        self.given.ports.take(app);
        self.given.claims.take(app);
        self.by_uid.retain(|_, at| *at != index);
        self.denials.forget(index);
        if let Some(slot) = self.slots.get_mut(index.0) {
            *slot = Slot::new(app.clone(), clock::now());
        }
        let mount = self.paths.mounts.join(app.as_str());
        let root = mount.join("root");
        // What is left of them is in nobody's way: the next start of the app makes them anew.
        let _ = umount2(&root, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&root).and_then(|()| fs::remove_dir(&mount));
        let _ = fs::remove_dir(self.groups.join(app.as_str()));
    }

    /// A session is over: so is the package that it sent.
    pub(crate) fn forget_session(&mut self, over: impl Fn(u32) -> bool) {
        if self.incoming.take_if(|incoming| over(incoming.session)).is_some() {
            self.clear_incoming();
        }
    }

    /// Every installed package.
    pub(crate) fn listed(&self) -> Vec<Listed> {
        let each =
            self.fleet.iter().filter_map(|(at, _, lifecycle)| Some((self.slots.get(at.0)?, lifecycle)));
        each.map(|(slot, lifecycle)| Listed {
            app: slot.id.to_string(),
            version: slot.version_text(),
            rollback_index: slot.package.map_or(0, |package| package.rollback_index),
            image_bytes: slot.package.map_or(0, |package| package.image_bytes),
            data_bytes: slot.package.map_or(0, |package| package.data_bytes),
            state: lifecycle.app_state(),
        })
        .collect()
    }
}
