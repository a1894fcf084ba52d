//! Verifying: one verdict for each slot, each package and the board's description.

use std::error::Error;
use std::path::Path;

use nacre_verify::digest::Digest;
use nacre_verify::envelope::VerifyEnvelopeError;
use nacre_verify::key::PublicKey;
use nacre_verify::key_set::{KeySet, VerifyKeySetError};
use nacre_verify::package::{MAX_IMAGE_BYTES, MAX_MANIFEST_BYTES, OpenPackageError, Package, open_package};
use nacre_verify::slot::{ReadAt, SlotError, VerifiedSlot, VerifyOptions, verify_slot_from};

use super::file::FileRange;
use super::partitions::{self, Partition, ReadPartitionsError};
use super::subject::{Kind, Subject};
use crate::board_file::{self, BoardFile};

/// Largest package file: its two members, headers and padding.
pub(crate) const MAX_PACKAGE_BYTES: u64 = (MAX_IMAGE_BYTES + MAX_MANIFEST_BYTES + 64 * 1024) as u64;

/// The keys that things are verified against.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Root keys, each good by itself; none is there to check anything with when this is empty.
    pub roots: Vec<PublicKey>,
    /// Key sets for packages that come without a slot.
    pub key_sets: Vec<KeySet>,
}

/// What was found out about one thing.
#[derive(Debug)]
pub struct Finding {
    /// The file.
    pub subject: Subject,
    /// The partition in it.
    pub partition: Option<Partition>,
    /// What is known of it now.
    pub verdict: Verdict,
}

impl Finding {
    /// The thing for people: `slot.img`, `disk.img: slot-a`.
    pub fn name(&self) -> String {
        match &self.partition {
            Some(partition) => format!("{}: {}", self.subject.name(), partition.name),
            None => self.subject.name(),
        }
    }
}

/// What is known of a thing.
#[derive(Debug)]
pub enum Verdict {
    /// A slot, as its owner made it.
    Slot(Box<VerifiedSlot>),
    /// A package, as its owner made it.
    Package(Box<Package>),
    /// The board's description that every verified slot beside it was signed with.
    Board(Digest),
    /// Not as its owner made it.
    Bad {
        /// What of it: `kernel`, `hash tree`, `envelope`, `package`.
        part: String,
        /// What is wrong.
        error: BoxError,
    },
    /// Could not be checked: neither good nor bad.
    Unchecked(BoxError),
}

/// There is no key to check something with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// No root key is trusted.
    #[error("there is no root key to check it with")]
    Root,
    /// No key set says who may sign packages: the image of the package was not verified.
    #[error("no verified key set says who may sign it")]
    App,
    /// No slot says what the board's description has to be: none was verified.
    #[error("no verified slot says what it has to be")]
    Board,
}

/// An error with its causes, on one line.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> String {
    nacre_diag::CauseChain(error).to_string()
}

/// An error of any kind.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Verifies every subject, in order.
pub fn check(subjects: &[Subject], trust: &Trust) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut key_sets = None;
    for subject in subjects {
        let whole = |verdict| Finding { subject: subject.clone(), partition: None, verdict };
        match subject.kind {
            Kind::Slot => findings.push(whole(match FileRange::whole(&subject.path) {
                Ok(file) => slot(file, trust),
                Err(error) => Verdict::Unchecked(error.into()),
            })),
            Kind::Disk => findings.extend(disk(subject, trust)),
            Kind::Package => {
                // Slots come first: the key set of the image that the packages lie beside is the one that counts.
                let sets = key_sets.get_or_insert_with(|| match key_set_of(&findings) {
                    Some(set) => vec![set],
                    None => trust.key_sets.clone(),
                });
                findings.push(whole(package(&subject.path, sets)));
            }
            Kind::Board => {
                let verdict = board(&subject.path, &findings);
                findings.push(whole(verdict));
            }
        }
    }
    findings
}

fn key_set_of(findings: &[Finding]) -> Option<KeySet> {
    findings.iter().find_map(|finding| match &finding.verdict {
        Verdict::Slot(verified) => Some(verified.key_set.clone()),
        _ => None,
    })
}

fn slot(mut file: FileRange, trust: &Trust) -> Verdict {
    match verify_with_any(&mut file, &trust.roots, &VerifyOptions::default()) {
        None => Verdict::Unchecked(NoKey::Root.into()),
        Some(Ok(verified)) => Verdict::Slot(Box::new(verified)),
        Some(Err(error @ SlotError::Read { .. })) => Verdict::Unchecked(error.into()),
        Some(Err(error)) => match error.part() {
            Some(part) => bad(&part.to_string(), error),
            None => bad("slot", error),
        },
    }
}

/// Verifies with the one of the root keys that signed the slot's key set. [`None`] if there is no root key.
pub(crate) fn verify_with_any<R: ReadAt + ?Sized>(
    slot: &mut R,
    roots: &[PublicKey],
    options: &VerifyOptions<'_>,
) -> Option<Result<VerifiedSlot, SlotError>> {
    let mut last = None;
    for root in roots {
        let result = verify_slot_from(slot, root, options);
        let of_another = matches!(
            &result,
            Err(SlotError::KeySet(VerifyKeySetError::Envelope(VerifyEnvelopeError::UnknownKey(_))))
        );
        last = Some(result);
        if !of_another {
            break;
        }
    }
    last
}

fn disk(subject: &Subject, trust: &Trust) -> Vec<Finding> {
    let path = &subject.path;
    let whole = |verdict| vec![Finding { subject: subject.clone(), partition: None, verdict }];
    let partitions = match partitions::read(path) {
        Ok(partitions) => partitions,
        Err(error @ ReadPartitionsError::Io { .. }) => return whole(Verdict::Unchecked(error.into())),
        Err(error) => return whole(bad("partition table", error)),
    };
    let mut findings = Vec::new();
    for partition in partitions {
        if !matches!(partition.name.as_str(), "slot-a" | "slot-b") {
            continue;
        }
        let verdict = match partition.open(path).and_then(|file| Ok((file.is_zero()?, file))) {
            Ok((true, _)) => continue,
            Ok((false, file)) => slot(file, trust),
            Err(error) => Verdict::Unchecked(error.into()),
        };
        findings.push(Finding { subject: subject.clone(), partition: Some(partition), verdict });
    }
    if findings.is_empty() {
        return whole(bad("slots", "no slot on the disk has anything in it"));
    }
    findings
}

/// Compares the board's description with what every verified slot beside it says.
fn board(path: &Path, findings: &[Finding]) -> Verdict {
    let mut signed = findings.iter().filter_map(|finding| match &finding.verdict {
        Verdict::Slot(verified) => Some(verified.slot.board_digest),
        _ => None,
    });
    let Some(first) = signed.next() else { return Verdict::Unchecked(NoKey::Board.into()) };
    let found = match BoardFile::read(path) {
        Ok(file) => file.digest(),
        Err(error) => return Verdict::Unchecked(error.into()),
    };
    match std::iter::once(first).chain(signed).try_for_each(|signed| board_file::check(found, signed)) {
        Ok(()) => Verdict::Board(found),
        Err(error) => bad("board description", error),
    }
}

fn bad(part: &str, error: impl Into<BoxError>) -> Verdict {
    Verdict::Bad { part: part.to_owned(), error: error.into() }
}

fn package(path: &Path, key_sets: &[KeySet]) -> Verdict {
    let bytes = FileRange::whole(path).and_then(|file| {
        let bytes = file.len();
        if bytes > MAX_PACKAGE_BYTES { Ok(None) } else { file.read(0, bytes).map(Some) }
    });
    match bytes {
        Ok(Some(bytes)) => package_bytes(&bytes, key_sets),
        Ok(None) => bad("archive", "larger than any package"),
        Err(error) => Verdict::Unchecked(error.into()),
    }
}

/// Verifies a package with the app keys of these sets.
pub(crate) fn package_bytes(bytes: &[u8], key_sets: &[KeySet]) -> Verdict {
    let keys: Vec<PublicKey> = key_sets.iter().flat_map(KeySet::app_keys).collect();
    if keys.is_empty() {
        return Verdict::Unchecked(NoKey::App.into());
    }
    match open_package(bytes, &keys) {
        Ok(package) => Verdict::Package(Box::new(package)),
        Err(error) => bad(package_part(&error), error),
    }
}

fn package_part(error: &OpenPackageError) -> &'static str {
    match error {
        OpenPackageError::Archive(_) => "archive",
        OpenPackageError::Manifest(_) => "manifest",
        OpenPackageError::ImageLength { .. } | OpenPackageError::ImageDigest => "image",
    }
}
