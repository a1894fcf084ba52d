//! The key store on the host: `$NACRE_KEYS`, else `$XDG_DATA_HOME/nacre/keys`, else
//! `~/.local/share/nacre/keys`.
//!
//! One folder per set: `root.key`, `os.key`, `app.key`, `capability.key` (PKCS#8 PEM, mode 0600),
//! `root.pub` (SubjectPublicKeyInfo PEM) and `key-set.cose`, the public halves signed by the root key. The
//! root key is needed again only to change the set: `root.key` may be kept elsewhere.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nacre_verify::key::{PublicKey, SigningKey};
use nacre_verify::key_set::KeySet;

use crate::cache::user_folder;
use crate::failure::{Exit, Failure, OrFail};

mod pem;

/// Name of the set that is made on first use.
pub const DEVELOPMENT: &str = "development";

/// File with the signed public halves.
pub(crate) const KEY_SET_FILE: &str = "key-set.cose";
/// File with the root key's public half.
const ROOT_PUBLIC_FILE: &str = "root.pub";

/// What a private key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Signs key sets.
    Root,
    /// Signs slots.
    Os,
    /// Signs app packages.
    App,
    /// Signs device capabilities.
    Capability,
}

impl Role {
    const ALL: [Self; 4] = [Self::Root, Self::Os, Self::App, Self::Capability];

    /// Name of the role, and of its file without extension.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Os => "os",
            Self::App => "app",
            Self::Capability => "capability",
        }
    }
}

/// Whether anybody may hold the private halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Made without ceremony; images signed by it say so.
    Development,
    /// Kept as its owner decides.
    Production,
}

/// The folder with all sets.
#[derive(Debug, Clone)]
pub struct KeyStore {
    root: PathBuf,
}

/// One set, its private keys not read yet.
#[derive(Debug)]
pub struct KeyFolder {
    /// Name of the set.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Public half of the root key.
    pub root: PublicKey,
    /// The set, verified with the root key.
    pub set: KeySet,
    /// The signed set, as it goes into images.
    pub signed_set: Vec<u8>,
}

impl KeyStore {
    /// Finds the folder; it need not exist yet.
    pub fn open() -> Result<Self, Failure> {
        Ok(Self {
            root: user_folder("NACRE_KEYS", "XDG_DATA_HOME", ".local/share", Path::new("nacre/keys"))?,
        })
    }

    /// A store in a given folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a new set. One that is there is never written over.
    pub fn create(&self, name: &str, purpose: Purpose) -> Result<KeyFolder, Failure> {
        check_name(name)?;
        let path = self.root.join(name);
        let step = || format!("can't make the key set `{name}` in `{}`", self.root.display());
        if path.exists() {
            return Err(Failure::new(Exit::Refused, format!("the key set `{name}` is there already"))
                .hint(format!("it is in `{}`; choose another name, or move it away", path.display())));
        }
        fs::create_dir_all(&self.root).or_fail(Exit::Internal, step)?;
        // Made beside and renamed: a set is there whole or not at all.
        let fresh =
            tempfile::Builder::new().prefix(".new-").tempdir_in(&self.root).or_fail(Exit::Internal, step)?;
        let mut keys = Vec::new();
        for role in Role::ALL {
            let key = generate().or_fail(Exit::Internal, step)?;
            let file = fresh.path().join(format!("{}.key", role.name()));
            write_file(&file, pem::encode_private(&key).as_bytes(), 0o600).or_fail(Exit::Internal, step)?;
            keys.push(key);
        }
        let [root, os, app, capability] = keys.as_slice() else {
            return Err(Failure::new(Exit::Internal, step()));
        };
        let set = KeySet {
            version: 1,
            rollback_index: 1,
            development: purpose == Purpose::Development,
            os: vec![PublicKey::of(os)],
            app: vec![PublicKey::of(app)],
            capability: vec![PublicKey::of(capability)],
            revoked: Vec::new(),
        };
        let signed = set.sign(root).or_fail(Exit::Internal, step)?;
        write_file(&fresh.path().join(KEY_SET_FILE), &signed, 0o644).or_fail(Exit::Internal, step)?;
        let public = pem::encode_public(&PublicKey::of(root));
        write_file(&fresh.path().join(ROOT_PUBLIC_FILE), public.as_bytes(), 0o644)
            .or_fail(Exit::Internal, step)?;
        match fs::rename(fresh.path(), &path) {
            // Somebody else was quicker: their set is the one.
            Err(_) if path.join(KEY_SET_FILE).is_file() && purpose == Purpose::Development => {}
            done => {
                done.or_fail(Exit::Internal, step)?;
                // Gone to its place; there is nothing left to remove.
                let _ = fresh.keep();
            }
        }
        self.load(name)
    }

    /// Reads a set and verifies it with its root key.
    pub fn load(&self, name: &str) -> Result<KeyFolder, Failure> {
        check_name(name)?;
        let path = self.root.join(name);
        if !path.is_dir() {
            return Err(Failure::new(Exit::NotFound, format!("there is no key set `{name}`"))
                .hint(format!("make it: nacre key new {name} (key store: `{}`)", self.root.display())));
        }
        let root_path = path.join(ROOT_PUBLIC_FILE);
        let text = fs::read_to_string(&root_path)
            .or_fail(Exit::NotFound, || format!("can't read `{}`", root_path.display()))?;
        let root = pem::decode_public(&text).ok_or_else(|| {
            Failure::new(Exit::BadInput, format!("`{}` is no Ed25519 public key in PEM", root_path.display()))
        })?;
        let set_path = path.join(KEY_SET_FILE);
        let signed_set =
            fs::read(&set_path).or_fail(Exit::NotFound, || format!("can't read `{}`", set_path.display()))?;
        let set = KeySet::verify(&signed_set, &root)
            .or_fail(Exit::VerificationFailed, || format!("can't verify `{}`", set_path.display()))?;
        Ok(KeyFolder { name: name.to_owned(), path, root, set, signed_set })
    }

    /// Reads a set; the development set is made if it isn't there. The second value says whether it was.
    pub fn load_or_create_development(&self, name: &str) -> Result<(KeyFolder, bool), Failure> {
        if name == DEVELOPMENT && !self.root.join(name).exists() {
            return Ok((self.create(name, Purpose::Development)?, true));
        }
        Ok((self.load(name)?, false))
    }

    /// Names of all sets, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.root)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|e| e.path().join(KEY_SET_FILE).is_file())
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|n| check_name(n).is_ok())
            .collect();
        names.sort();
        names
    }

    /// The root keys of all sets in this store: what its owner trusts.
    pub fn trusted_roots(&self) -> Vec<(String, PublicKey)> {
        let load = |name: String| self.load(&name).ok().map(|set| (name, set.root));
        self.names().into_iter().filter_map(load).collect()
    }
}

impl KeyFolder {
    /// Reads a private key. It must be the one that the signed set names for this role.
    pub fn private(&self, role: Role) -> Result<SigningKey, Failure> {
        let path = self.path.join(format!("{}.key", role.name()));
        let step = || format!("can't read the {} key `{}`", role.name(), path.display());
        let elsewhere =
            "if it is kept elsewhere, put it there to sign; otherwise choose another set with --keys";
        let found = fs::metadata(&path).or_fail(Exit::NotFound, step).map_err(|f| f.hint(elsewhere))?;
        let mode = found.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(Failure::new(
                Exit::Refused,
                format!(
                    "the {} key `{}` can be read by others (mode {:04o})",
                    role.name(),
                    path.display(),
                    mode & 0o7777
                ),
            )
            .hint(format!("chmod 600 {}", path.display())));
        }
        let text = fs::read_to_string(&path).or_fail(Exit::NotFound, step)?;
        let key = pem::decode_private(&text).ok_or_else(|| {
            Failure::new(Exit::BadInput, format!("`{}` is no Ed25519 key in PKCS#8 PEM", path.display()))
                .hint("put the key back as `nacre key new` made it, or choose another set with --keys")
        })?;
        let public = PublicKey::of(&key);
        let named = match role {
            Role::Root => public == self.root,
            Role::Os => self.set.os_keys().contains(&public),
            Role::App => self.set.app_keys().contains(&public),
            Role::Capability => self.set.capability_keys().contains(&public),
        };
        if !named {
            return Err(Failure::new(
                Exit::Refused,
                format!(
                    "the {} key {} is not in the signed key set `{}`, or is revoked",
                    role.name(),
                    public.id(),
                    self.name
                ),
            )
            .hint("put the set's own key back, or choose another set with --keys"));
        }
        Ok(key)
    }
}

/// Reads a root public key from a PEM file, for verifying without a key store.
pub fn read_root_public(path: &Path) -> Result<PublicKey, Failure> {
    const HINT: &str = "it is the file root.pub of a key set, as `nacre key new` makes it";
    let text = fs::read(path).map_err(|error| {
        let exit = match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Exit::NotFound,
            ErrorKind::IsADirectory => Exit::BadInput,
            _ => Exit::Internal,
        };
        Failure::new(exit, format!("can't read `{}`", path.display())).because(error).hint(HINT)
    })?;
    pem::decode_public(&String::from_utf8_lossy(&text)).ok_or_else(|| {
        Failure::new(Exit::BadInput, format!("`{}` is no Ed25519 public key in PEM", path.display()))
            .hint(HINT)
    })
}

fn generate() -> Result<SigningKey, std::io::Error> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|e| std::io::Error::other(e.to_string()))?;
    let key = SigningKey::from_bytes(&seed);
    seed.fill(0);
    Ok(key)
}

fn write_file(path: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn check_name(name: &str) -> Result<(), Failure> {
    let good = (1..=64).contains(&name.len())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
    if good {
        return Ok(());
    }
    Err(Failure::new(Exit::BadInput, format!("`{}` is no name for a key set", name.escape_default()))
        .hint("use a-z, 0-9, hyphens and underscores, at most 64"))
}

#[cfg(test)]
mod tests;
