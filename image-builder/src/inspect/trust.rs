//! Which keys are trusted: one that was named, or those of the key store.

use std::path::Path;

use super::check::Trust;
use crate::failure::{Exit, Failure};
use crate::keys::{KeyStore, read_root_public};

/// Reads the root key from a file, or every root key of the key store. Whoever signed one's own images has
/// the key there.
///
/// # Errors
/// When there is none: then nothing can be checked, which is neither good nor bad.
pub(crate) fn load(root_key: Option<&Path>) -> Result<Trust, Failure> {
    if let Some(path) = root_key {
        return Ok(Trust { roots: vec![read_root_public(path)?], key_sets: Vec::new() });
    }
    let store = KeyStore::open()?;
    let mut trust = Trust::default();
    for (name, root) in store.trusted_roots() {
        trust.roots.push(root);
        if let Ok(folder) = store.load(&name) {
            trust.key_sets.push(folder.set);
        }
    }
    if trust.roots.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("could not check: there is no root key in the key store `{}`", store.root().display()),
        )
        .hint("name the root key that the image is signed with: --root-key FILE"));
    }
    Ok(trust)
}
