//! What changed from one package to another, permissions first.

use std::collections::BTreeSet;
use std::fmt::Display;

use nacre_manifest::describe::{FieldValue, Sentence, Topic, sentences};
use serde::Serialize;

use super::files::{self, AppFile};
use super::known_keys::{KnownKeys, foreign_key, problem};
use super::open::{Content, PackageFile};
use super::report::FilterReport;
use crate::diff::tree::{Entry, Tree};
use crate::inspect::check::Verdict;

/// What changed. Nothing did only if both files are the same to the last byte.
#[derive(Debug, Serialize)]
pub struct Changes {
    /// True if both files are the same to the last byte.
    pub identical: bool,
    /// The old package.
    pub old: Side,
    /// The new one.
    pub new: Side,
    /// What a reviewer is to look at before all else.
    pub warnings: Vec<String>,
    /// Sentences that hold of the new package only.
    pub permissions_gained: Vec<String>,
    /// Sentences that hold of the old package only.
    pub permissions_lost: Vec<String>,
    /// How much it may use.
    pub limits: Vec<FieldChange>,
    /// What else is signed.
    pub fields: Vec<FieldChange>,
    /// Its files.
    pub files: FileChanges,
}

/// One of the two.
#[derive(Debug, Serialize)]
pub struct Side {
    /// The path.
    pub path: String,
    /// Component id.
    pub app: String,
    /// Version for people.
    pub version: String,
    /// Version for machines.
    pub rollback_index: u64,
    /// The key that signed it, or that it names; nothing where no signature was checked.
    pub signed_by: Option<String>,
    /// True only if a trusted app key signed every byte.
    pub verified: bool,
    /// Why it is not verified.
    pub problem: Option<String>,
}

/// A field that has another value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Its name; those of the manifest as `nacre.yaml` has them.
    pub field: String,
    /// Before; nothing if it was not there.
    pub from: Option<String>,
    /// After; nothing if it is gone.
    pub to: Option<String>,
}

/// Files of the app.
#[derive(Debug, Default, Serialize)]
pub struct FileChanges {
    /// Only in the new package.
    pub added: Vec<AppFile>,
    /// Only in the old one.
    pub removed: Vec<AppFile>,
    /// In both, and not the same.
    pub changed: Vec<ChangedFile>,
    /// Why they were not compared.
    pub problem: Option<String>,
}

/// A file that is not the same.
#[derive(Debug, Serialize)]
pub struct ChangedFile {
    /// Absolute path in the app's filesystem.
    pub path: String,
    /// Before.
    pub from: AppFile,
    /// After.
    pub to: AppFile,
    /// Whether its content is another one.
    pub content: bool,
}

impl Changes {
    /// Compares two packages with these keys.
    pub fn between(old: &PackageFile, new: &PackageFile, known: &KnownKeys) -> Self {
        let (old_side, new_side) = (Side::of(old, known), Side::of(new, known));
        let mut changes = Self {
            identical: old.bytes == new.bytes,
            warnings: warnings(&old.content, &new.content),
            permissions_gained: Vec::new(),
            permissions_lost: Vec::new(),
            limits: Vec::new(),
            fields: fields(old, new),
            files: FileChanges::between(old, new, old_side.verified && new_side.verified),
            old: old_side,
            new: new_side,
        };
        if changes.old.signed_by != changes.new.signed_by {
            let (from, to) = (changes.old.signed_by.clone(), changes.new.signed_by.clone());
            changes.fields.push(FieldChange { field: "signed-by".to_owned(), from, to });
        }
        changes.compare_sentences(&sentences(&old.content.manifest), &sentences(&new.content.manifest));
        changes
    }

    fn compare_sentences(&mut self, old: &[Sentence], new: &[Sentence]) {
        let value = |all: &[Sentence], field: &str| {
            let values = all.iter().filter_map(|said| said.value.clone());
            values.into_iter().find(|value| value.field == field)
        };
        for said in old.iter().filter(|said| !new.contains(said)) {
            match &said.value {
                // A grant that is there before and after is a limit that moved.
                Some(FieldValue { field, .. })
                    if said.topic != Topic::Grant || value(new, field).is_some() =>
                {
                    self.moved(said.topic, field, value(old, field), value(new, field));
                }
                _ if said.topic == Topic::Grant => self.permissions_lost.push(said.whole()),
                _ => {}
            }
        }
        for said in new.iter().filter(|said| !old.contains(said)) {
            match &said.value {
                Some(FieldValue { field, .. }) if value(old, field).is_some() => {}
                Some(FieldValue { field, .. }) if said.topic != Topic::Grant => {
                    self.moved(said.topic, field, None, value(new, field));
                }
                _ if said.topic == Topic::Grant => self.permissions_gained.push(said.whole()),
                _ => {}
            }
        }
    }

    fn moved(&mut self, topic: Topic, field: &str, from: Option<FieldValue>, to: Option<FieldValue>) {
        let text = |value: Option<FieldValue>| value.map(|value| value.value);
        let change = FieldChange { field: field.to_owned(), from: text(from), to: text(to) };
        match topic {
            Topic::Limit | Topic::Grant => self.limits.push(change),
            Topic::Program | Topic::Lack | Topic::Conduct => self.fields.push(change),
        }
    }
}

impl Side {
    fn of(package: &PackageFile, known: &KnownKeys) -> Self {
        let payload = &package.content.payload;
        let verdict = known.judge(&package.bytes);
        let problem = problem(&verdict, known);
        let signed_by = match &verdict {
            Verdict::Package(verified) => Some(verified.signed_by),
            verdict => foreign_key(verdict),
        };
        Self {
            path: package.path.display().to_string(),
            app: payload.component.clone(),
            version: payload.version.clone(),
            rollback_index: payload.rollback_index,
            signed_by: signed_by.map(|key| key.to_string()),
            verified: problem.is_none(),
            problem,
        }
    }
}

fn warnings(old: &Content, new: &Content) -> Vec<String> {
    let (a, b) = (&old.payload, &new.payload);
    let mut out = Vec::new();
    if a.component != b.component {
        out.push(format!("these are two apps: {} and {}", a.component, b.component));
    } else if a.rollback_index > b.rollback_index {
        out.push(format!(
            "the rollback index goes back from {} to {}: it never replaces the old one on a device",
            a.rollback_index, b.rollback_index
        ));
    } else if a.rollback_index == b.rollback_index && a.version != b.version {
        out.push(format!(
            "another version with the same rollback index, {}: each may replace the other on a device",
            a.rollback_index
        ));
    }
    if !FilterReport::of(new).matches_permissions {
        out.push(
            "the new system call filter is not the one that this nacre makes for the permissions".into(),
        );
    }
    out
}

fn fields(old: &PackageFile, new: &PackageFile) -> Vec<FieldChange> {
    let (a, b) = (&old.content.payload, &new.content.payload);
    let mut out = Vec::new();
    let mut field = |field: &str, from: &dyn Display, to: &dyn Display| {
        let (from, to) = (from.to_string(), to.to_string());
        if from != to {
            out.push(FieldChange { field: field.to_owned(), from: Some(from), to: Some(to) });
        }
    };
    field("app", &a.component, &b.component);
    field("version", &a.version, &b.version);
    field("rollback-index", &a.rollback_index, &b.rollback_index);
    field("architecture", &a.arch, &b.arch);
    let filter = |content: &Content| {
        let FilterReport { instructions, sha256, .. } = FilterReport::of(content);
        format!("{instructions} instructions, {}", sha256.get(..16).unwrap_or_default())
    };
    field("filter", &filter(&old.content), &filter(&new.content));
    let image = |package: &PackageFile| {
        let payload = &package.content.payload;
        let digest = payload.image_digest.to_string();
        format!("{} bytes, {}", package.image.len(), digest.get(..16).unwrap_or_default())
    };
    field("image", &image(old), &image(new));
    out
}

impl FileChanges {
    fn between(old: &PackageFile, new: &PackageFile, verified: bool) -> Self {
        if old.image == new.image {
            return Self::default();
        }
        if !verified {
            let problem = "Not compared: only those of verified packages are read.".to_owned();
            return Self { problem: Some(problem), ..Self::default() };
        }
        match (files::read(&old.image, verified), files::read(&new.image, verified)) {
            (Ok(old), Ok(new)) => Self::of_trees(&old, &new),
            (Err(problem), _) | (_, Err(problem)) => Self { problem: Some(problem), ..Self::default() },
        }
    }

    fn of_trees(old: &Tree, new: &Tree) -> Self {
        let mut out = Self::default();
        let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for path in paths {
            match (old.get(path), new.get(path)) {
                (Some(a), Some(b)) if a != b => out.changed.push(changed(path, a, b)),
                (Some(a), None) => out.removed.push(AppFile::of(path, a)),
                (None, Some(b)) => out.added.push(AppFile::of(path, b)),
                _ => {}
            }
        }
        out
    }

    /// Whether nothing is to be told.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty() && self.problem.is_none()
    }
}

fn changed(path: &str, a: &Entry, b: &Entry) -> ChangedFile {
    ChangedFile {
        path: path.to_owned(),
        from: AppFile::of(path, a),
        to: AppFile::of(path, b),
        content: a.content != b.content,
    }
}
