//! Which uid an app runs as: one of its own, kept for as long as its data folder exists.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nacre_manifest::component::ComponentId;

use crate::plain_file;

/// The first uid given to an app. Those below are the OS's own.
pub(crate) const FIRST_UID: u32 = 20_000;

/// The last uid given to an app.
const LAST_UID: u32 = 29_999;

/// Name of the table in the state folder: lines of `<uid> <component id>`.
const FILE: &str = "uids";

/// Largest table read, in bytes: far more apps than fit the device.
const MAX_BYTES: u64 = 64 * 1024;

/// Uids and their owners.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct UidTable {
    by_app: BTreeMap<ComponentId, u32>,
}

/// What the table was read from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The file.
    File,
    /// There was no file: the owners of the data folders.
    NoFile,
    /// The file was not usable: the owners of the data folders.
    BadFile,
}

impl UidTable {
    /// Reads the table. Where it is missing or damaged, the owners of the data folders tell the same.
    pub(crate) fn load(state: &Path, app_data: &Path) -> (Self, Origin) {
        let mut text = String::new();
        let read = plain_file::open(&state.join(FILE))
            .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
        let origin = match read {
            Ok(_) => match Self::parse(&text) {
                Some(table) => return (table, Origin::File),
                None => Origin::BadFile,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Origin::NoFile,
            Err(_) => Origin::BadFile,
        };
        (Self::from_owners(app_data), origin)
    }

    /// The uid of an app, or `None` if it has none yet.
    pub(crate) fn get(&self, app: &ComponentId) -> Option<u32> {
        self.by_app.get(app).copied()
    }

    /// Gives an app the lowest free uid; `None` if all are given.
    pub(crate) fn assign(&mut self, app: &ComponentId) -> Option<u32> {
        let uid = (FIRST_UID..=LAST_UID).find(|uid| !self.by_app.values().any(|given| given == uid))?;
        self.by_app.insert(app.clone(), uid);
        Some(uid)
    }

    /// Forgets apps that are neither installed nor have a data folder.
    pub(crate) fn retain(&mut self, keep: impl Fn(&ComponentId) -> bool) {
        self.by_app.retain(|app, _| keep(app));
    }

    /// Writes the table so that a power cut leaves the old one or the new one.
    pub(crate) fn store(&self, state: &Path) -> io::Result<()> {
        let text: String = self.by_app.iter().map(|(app, uid)| format!("{uid} {app}\n")).collect();
        let temporary = state.join("uids.new");
        // What an interrupted attempt left, or a link that leads elsewhere.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, state.join(FILE))?;
        File::open(state)?.sync_all()
    }

    /// `None` if anything about the text is odd: the disk may have been written by anybody.
    fn parse(text: &str) -> Option<Self> {
        let mut table = Self::default();
        for line in text.lines() {
            let (uid, app) = line.split_once(' ')?;
            table.insert(app.parse().ok()?, uid.parse().ok()?)?;
        }
        (text.is_empty() || text.ends_with('\n')).then_some(table)
    }

    fn from_owners(app_data: &Path) -> Self {
        let mut table = Self::default();
        for entry in fs::read_dir(app_data).into_iter().flatten().flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse::<ComponentId>().ok());
            if let (Some(id), Ok(owner)) = (id, entry.metadata().map(|data| data.uid())) {
                // A second folder with the same owner keeps no uid, and its app is refused its data.
                let _ = table.insert(id, owner);
            }
        }
        table
    }

    fn insert(&mut self, app: ComponentId, uid: u32) -> Option<()> {
        let free = !self.by_app.values().any(|given| *given == uid) && !self.by_app.contains_key(&app);
        if free && (FIRST_UID..=LAST_UID).contains(&uid) {
            self.by_app.insert(app, uid);
            Some(())
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ComponentId {
        text.parse().unwrap()
    }

    #[test]
    fn table_stored_and_loaded_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let mut table = UidTable::default();
        assert_eq!(table.assign(&id("org.nacre.a")), Some(20_000));
        assert_eq!(table.assign(&id("org.nacre.b")), Some(20_001));
        table.store(dir.path()).unwrap();
        assert_eq!(UidTable::load(dir.path(), dir.path()), (table, Origin::File));
        assert_eq!(
            fs::read_to_string(dir.path().join("uids")).unwrap(),
            "20000 org.nacre.a\n20001 org.nacre.b\n"
        );
    }

    #[test]
    fn uid_of_a_kept_app_is_never_given_again() {
        let mut table = UidTable::default();
        for app in ["a.a", "b.b", "c.c"] {
            table.assign(&id(app)).unwrap();
        }
        table.retain(|app| *app != id("b.b"));
        assert_eq!((table.get(&id("b.b")), table.get(&id("c.c"))), (None, Some(20_002)));
        assert_eq!(table.assign(&id("d.d")), Some(20_001));
    }

    #[test]
    fn parse_odd_tables_gives_none() {
        assert!(UidTable::parse("").is_some());
        for text in [
            "0 a.a\n",
            "19999 a.a\n",
            "30000 a.a\n",
            "20000 a.a\n20000 b.b\n",
            "20000 a.a\n20001 a.a\n",
            "20000 ../x\n",
            "20000  a.a\n",
            "20000 a.a",
            "x\n",
        ] {
            assert_eq!(UidTable::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn load_damaged_table_falls_back_to_the_owners_of_the_folders() {
        let (state, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(UidTable::load(state.path(), data.path()).1, Origin::NoFile);
        fs::write(state.path().join("uids"), "0 a.a\n").unwrap();
        for (app, uid) in [("a.a", 20_007), ("b.b", 0), ("not an id", 20_008)] {
            fs::create_dir(data.path().join(app)).unwrap();
            // Giving folders away needs root; without it the owner is not an app's and is passed over.
            let _ = std::os::unix::fs::chown(data.path().join(app), Some(uid), None);
        }
        let (table, origin) = UidTable::load(state.path(), data.path());
        assert_eq!(origin, Origin::BadFile);
        assert_eq!(table.get(&id("b.b")), None);
        if nix::unistd::geteuid().is_root() {
            assert_eq!(table.get(&id("a.a")), Some(20_007));
        }
    }
}
