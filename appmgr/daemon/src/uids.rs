//! Which uid an app runs as: one of its own, kept for as long as its data folder exists.
//!
//! Who wrote the disk is not known, so that the table is believed only where it is no contradiction, neither in itself
//! nor to the owners of the data folders. Whatever it says, no two apps get one uid, and none gets that of another
//! one's data.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use nacre_manifest::component::ComponentId;
use nacre_sys::file::{names, read_open, status};

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
    /// Uids of data of which nobody knows whose it is: given to nobody.
    withheld: BTreeSet<u32>,
}

/// A data folder's name, and the uid that owns it, which is an app's.
type Owner = (String, u32);

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
        let read = plain_file::open(&state.join(FILE)).and_then(|mut file| read_open(&mut file, MAX_BYTES));
        let owners = owners(app_data);
        match read.map(String::from_utf8) {
            Ok(Ok(text)) => Self::of(Some(&text), &owners),
            Ok(Err(_)) => (Self::from_owners(&owners), Origin::BadFile),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::of(None, &owners),
            Err(_) => (Self::from_owners(&owners), Origin::BadFile),
        }
    }

    fn of(text: Option<&str>, owners: &[Owner]) -> (Self, Origin) {
        match text.map(Self::parse) {
            Some(Some(table)) if table.agrees_with(owners) => (table, Origin::File),
            Some(_) => (Self::from_owners(owners), Origin::BadFile),
            None => (Self::from_owners(owners), Origin::NoFile),
        }
    }

    /// Whether each data folder belongs to whom the table says: a uid is noted before anything belongs to it, and for
    /// as long as the folder exists.
    fn agrees_with(&self, owners: &[Owner]) -> bool {
        owners
            .iter()
            .all(|(name, owner)| self.by_app.iter().any(|(app, uid)| uid == owner && app.as_str() == name))
    }

    /// The uid of an app, or `None` if it has none yet.
    pub(crate) fn get(&self, app: &ComponentId) -> Option<u32> {
        self.by_app.get(app).copied()
    }

    /// Gives an app the lowest free uid; `None` if all are given.
    pub(crate) fn assign(&mut self, app: &ComponentId) -> Option<u32> {
        let given = |uid: &u32| self.withheld.contains(uid) || self.by_app.values().any(|given| given == uid);
        let uid = (FIRST_UID..=LAST_UID).find(|uid| !given(uid))?;
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
        plain_file::replace(state, FILE, text.as_bytes())
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

    /// Whoever shares a uid with another folder keeps none: it can't be told whose it was. Its data then belongs to
    /// nobody, and its app is refused.
    fn from_owners(owners: &[Owner]) -> Self {
        let mut table = Self::default();
        for (name, uid) in owners {
            let alone = owners.iter().filter(|(_, other)| other == uid).count() == 1;
            match name.parse() {
                Ok(app) if alone => _ = table.by_app.insert(app, *uid),
                _ => _ = table.withheld.insert(*uid),
            }
        }
        table
    }

    fn insert(&mut self, app: ComponentId, uid: u32) -> Option<()> {
        let free = !self.by_app.values().any(|given| *given == uid) && !self.by_app.contains_key(&app);
        if free && is_of_apps(uid) {
            self.by_app.insert(app, uid);
            Some(())
        } else {
            None
        }
    }
}

fn is_of_apps(uid: u32) -> bool {
    (FIRST_UID..=LAST_UID).contains(&uid)
}

/// The folders that belong to apps. One that an interrupted attempt made is still root's.
fn owners(app_data: &Path) -> Vec<Owner> {
    let names = names(app_data).unwrap_or_default().into_iter();
    let owners = names.filter_map(|name| {
        let owner = status(&app_data.join(&name)).ok()?.owner;
        Some((name.to_string_lossy().into_owned(), owner))
    });
    owners.filter(|(_, uid)| is_of_apps(*uid)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

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

    fn owner(name: &str, uid: u32) -> Owner {
        (name.to_owned(), uid)
    }

    #[test]
    fn table_that_contradicts_the_folders_is_made_again_from_them() {
        let owners = [owner("a.a", 20_000), owner("b.b", 20_001)];
        let good = "20000 a.a\n20001 b.b\n20002 c.c\n";
        assert_eq!(UidTable::of(Some(good), &owners).1, Origin::File);
        for text in [
            // Two apps with one uid, one app with two, two that changed places, one that is lost, one that is another's.
            "20000 a.a\n20000 b.b\n",
            "20000 a.a\n20001 a.a\n20001 b.b\n",
            "20001 a.a\n20000 b.b\n",
            "20000 a.a\n",
            "20000 c.c\n20001 b.b\n",
            "",
        ] {
            let (mut table, origin) = UidTable::of(Some(text), &owners);
            assert_eq!(origin, Origin::BadFile, "{text:?}");
            assert_eq!((table.get(&id("a.a")), table.get(&id("b.b"))), (Some(20_000), Some(20_001)));
            assert_eq!(table.assign(&id("c.c")), Some(20_002), "{text:?}");
        }
    }

    #[test]
    fn folders_of_one_owner_and_of_no_app_give_their_uid_to_nobody() {
        let owners =
            [owner("a.a", 20_000), owner("b.b", 20_000), owner("not an id", 20_001), owner("d.d", 20_003)];
        let (mut table, origin) = UidTable::of(None, &owners);
        assert_eq!(origin, Origin::NoFile);
        assert_eq!(table.assign(&id("a.a")), Some(20_002), "the folder is not its own any more");
        assert_eq!(table.assign(&id("b.b")), Some(20_004));
        assert_eq!(table.get(&id("d.d")), Some(20_003));
    }

    proptest! {
        #[test]
        fn uids_whatever_is_on_the_disk_are_shared_by_nobody(
            lines in prop::option::of(prop::collection::vec((19_998u32..20_008, 0usize..7), 0..8)),
            folders in prop::collection::btree_map(0usize..7, 20_000u32..20_006, 0..7),
            tail in "[ \n0-9a.]{0,6}",
        ) {
            const NAMES: [&str; 7] = ["a.a", "b.b", "c.c", "d.d", "e.e", "not an id", "f.f"];
            let text = lines.map(|lines| {
                let lines = lines.into_iter().map(|(uid, app)| format!("{uid} {}\n", NAMES[app]));
                format!("{}{tail}", lines.collect::<String>())
            });
            let owners: Vec<Owner> =
                folders.into_iter().map(|(app, uid)| owner(NAMES[app], uid)).collect();
            let (mut table, _) = UidTable::of(text.as_deref(), &owners);
            let mut seen = BTreeMap::new();
            for app in NAMES.iter().filter_map(|name| name.parse::<ComponentId>().ok()) {
                let uid = match table.get(&app) {
                    Some(uid) => uid,
                    None => table.assign(&app).unwrap(),
                };
                prop_assert!(is_of_apps(uid));
                prop_assert_eq!(seen.insert(uid, app.clone()), None, "shared");
                let others = owners.iter().filter(|(name, owner)| name != app.as_str() && *owner == uid);
                prop_assert_eq!(others.count(), 0, "{} has the uid of another one's data", app);
            }
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
