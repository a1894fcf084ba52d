//! Which key sets are known here: who may sign packages, and what another key is.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use nacre_verify::envelope::VerifyEnvelopeError;
use nacre_verify::key::{KeyId, PublicKey};
use nacre_verify::key_set::KeySet;
use nacre_verify::package::{OpenPackageError, VerifyManifestError};
use serde::Serialize;

use crate::failure::{Exit, Failure, OrFail};
use crate::inspect::check::{Verdict, explain, package_bytes};
use crate::keys::{KEY_SET_FILE, KeyStore, read_root_public};

/// A key set that a trusted root key signed.
#[derive(Debug, Clone)]
pub struct KnownSet {
    /// For people: its name in the key store, or its file.
    pub label: String,
    /// The key that signed it.
    pub root: PublicKey,
    /// The set.
    pub set: KeySet,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct KnownKeys(pub Vec<KnownSet>);

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyStanding {
    /// Its id.
    pub key: String,
    /// `app`, `os`, `capability` or `root`; nothing if no known set names it.
    pub role: Option<&'static str>,
    /// The set that names it.
    pub key_set: Option<String>,
    /// Whether the set takes it back.
    pub revoked: bool,
    /// Whether anybody may hold the set's private keys.
    pub development: bool,
}

impl KnownKeys {
    /// The sets of one root key: the `key-set.cose` that lies beside it, and those of the key store. Without a root key
    /// every set of the key store.
    ///
    /// # Errors
    /// When the named key can't be read, or what lies beside it is not signed by it.
    pub fn load(root_key: Option<&Path>) -> Result<Self, Failure> {
        let stored = || match KeyStore::open() {
            Ok(store) => {
                let load = |name: String| store.load(&name).ok();
                let sets = store.names().into_iter().filter_map(load);
                sets.map(|set| KnownSet { label: set.name, root: set.root, set: set.set }).collect()
            }
            Err(_) => Vec::new(),
        };
        let Some(path) = root_key else { return Ok(Self(stored())) };
        let root = read_root_public(path)?;
        let beside = path.with_file_name(KEY_SET_FILE);
        let mut sets = match fs::read(&beside) {
            Ok(bytes) => {
                let set = KeySet::verify(&bytes, &root)
                    .or_fail(Exit::VerificationFailed, || format!("can't verify `{}`", beside.display()))?;
                vec![KnownSet { label: beside.display().to_string(), root, set }]
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(error).or_fail(Exit::TryAgain, || format!("can't read `{}`", beside.display()));
            }
        };
        for found in stored() {
            if found.root == root && sets.iter().all(|known| known.set != found.set) {
                sets.push(found);
            }
        }
        Ok(Self(sets))
    }

    /// The app keys of all sets.
    pub fn app_keys(&self) -> Vec<PublicKey> {
        self.0.iter().flat_map(|known| known.set.app_keys()).collect()
    }

    /// Verifies a package.
    pub fn judge(&self, bytes: &[u8]) -> Verdict {
        package_bytes(bytes, &self.0.iter().map(|known| known.set.clone()).collect::<Vec<_>>())
    }

    /// What is known of a key. A set in which it may sign packages counts more than one where it may not.
    pub fn standing(&self, key: KeyId) -> KeyStanding {
        let mut all = self.0.iter().filter_map(|known| known.standing(key)).collect::<Vec<_>>();
        all.sort_by_key(|standing| (standing.role != Some("app"), standing.revoked));
        all.into_iter().next().unwrap_or(KeyStanding {
            key: key.to_string(),
            role: None,
            key_set: None,
            revoked: false,
            development: false,
        })
    }
}

impl KnownSet {
    fn standing(&self, key: KeyId) -> Option<KeyStanding> {
        let set = &self.set;
        let roles: [(_, &[PublicKey]); 4] = [
            ("app", &set.app),
            ("os", &set.os),
            ("capability", &set.capability),
            ("root", std::slice::from_ref(&self.root)),
        ];
        let (role, _) = roles.into_iter().find(|(_, keys)| keys.iter().any(|found| found.id() == key))?;
        Some(KeyStanding {
            key: key.to_string(),
            role: Some(role),
            key_set: Some(self.label.clone()),
            revoked: set.is_revoked(key),
            development: set.development,
        })
    }
}

impl KeyStanding {
    /// What it is, after its id: `the app key of `factory``.
    pub fn describe(&self) -> String {
        match (self.role, &self.key_set) {
            (Some(role), Some(set)) => {
                let role = if role == "os" { "OS" } else { role };
                let revoked = if self.revoked { ", which is revoked" } else { "" };
                let article = if role == "app" { "an" } else { "the" };
                format!("{article} {role} key of `{set}`{revoked}")
            }
            _ => "a key that no trusted key set names".to_owned(),
        }
    }

    /// Why a package that this key signed is refused.
    pub fn objection(&self) -> String {
        match self.role {
            Some("app") | None => format!("it is signed by {}, {}", self.key, self.describe()),
            Some(_) => {
                format!("it is signed by {}, {}, and only app keys sign packages", self.key, self.describe())
            }
        }
    }
}

/// The key that a package names as its signer, if that is the reason why it is refused.
pub fn foreign_key(verdict: &Verdict) -> Option<KeyId> {
    let Verdict::Bad { error, .. } = verdict else { return None };
    match error.downcast_ref::<OpenPackageError>() {
        Some(OpenPackageError::Manifest(VerifyManifestError::Envelope(VerifyEnvelopeError::UnknownKey(
            id,
        )))) => Some(*id),
        _ => None,
    }
}

/// Why a package is not to be relied on, on one line; nothing if it is.
pub fn problem(verdict: &Verdict, known: &KnownKeys) -> Option<String> {
    if let Some(key) = foreign_key(verdict) {
        return Some(known.standing(key).objection());
    }
    match verdict {
        Verdict::Bad { part, error } => Some(format!("{part}: {}", explain(&**error))),
        Verdict::Unchecked(error) => Some(format!("could not be checked: {}", explain(&**error))),
        Verdict::Slot(_) | Verdict::Package(_) | Verdict::Board(_) => None,
    }
}
