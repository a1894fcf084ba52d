//! What is in a package, as data.

use nacre_manifest::describe::{Sentence, Topic, sentences};
use nacre_verify::digest::Digest;
use serde::Serialize;

use super::files::{self, AppFile};
use super::known_keys::{KeyStanding, KnownKeys, foreign_key, problem};
use super::open::{Content, PackageFile};
use crate::app_filter;
use crate::inspect::check::Verdict;
use crate::toolchain::Architecture;

/// A package. Sizes are in bytes.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// Its size.
    pub package_bytes: usize,
    /// True only if a trusted app key signed every byte.
    pub verified: bool,
    /// Why it is not verified.
    pub problem: Option<String>,
    /// The key that signed it; nothing where no signature was checked.
    pub signer: Option<KeyStanding>,
    /// What it says.
    #[serde(flatten)]
    pub statement: Statement,
    /// Files of the app, folders included; only of a verified package.
    pub files: Vec<AppFile>,
    /// What is odd about them, in sentences.
    pub files_odd: Vec<String>,
    /// Why they are not listed.
    pub files_problem: Option<String>,
}

/// What somebody who signs a package signs.
#[derive(Debug, Clone, Serialize)]
pub struct Statement {
    /// Component id.
    pub app: String,
    /// Version for people.
    pub version: String,
    /// Version for machines.
    pub rollback_index: u64,
    /// Architecture.
    pub arch: &'static str,
    /// Program and arguments.
    pub run: Vec<String>,
    /// Size of its filesystem.
    pub image_bytes: u64,
    /// fs-verity digest of its filesystem (SHA-256, blocks of 1024 bytes), in hexadecimal.
    pub image_digest: String,
    /// Its seccomp filter.
    pub filter: FilterReport,
    /// What it may do beyond what every app may, in sentences.
    pub permissions: Vec<String>,
    /// What it was not granted, in sentences.
    pub withheld: Vec<String>,
    /// How much it may use, in sentences.
    pub limits: Vec<String>,
    /// When it is started again, and what follows its end, in sentences.
    pub conduct: Vec<String>,
}

/// A seccomp filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FilterReport {
    /// Its length.
    pub instructions: usize,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
    /// Whether this program makes the same one for these permissions.
    pub matches_permissions: bool,
}

impl Report {
    /// Looks at a package with these keys.
    pub fn of(package: &PackageFile, known: &KnownKeys) -> Self {
        let verdict = known.judge(&package.bytes);
        let signer = match &verdict {
            Verdict::Package(verified) => Some(verified.signed_by),
            verdict => foreign_key(verdict),
        };
        let problem = problem(&verdict, known);
        let (listed, files_odd, files_problem) = match files::read(&package.image, problem.is_none()) {
            Ok(tree) => {
                let listed = tree.iter().map(|(path, entry)| AppFile::of(path, entry)).collect();
                (listed, files::oddities(&tree), None)
            }
            Err(problem) => (Vec::new(), Vec::new(), Some(problem)),
        };
        Self {
            file: package.name(),
            package_bytes: package.bytes.len(),
            verified: problem.is_none(),
            problem,
            signer: signer.map(|key| known.standing(key)),
            statement: Statement::of(&package.content),
            files: listed,
            files_odd,
            files_problem,
        }
    }
}

impl Statement {
    /// Says what is signed.
    pub fn of(content: &Content) -> Self {
        let Content { payload, manifest } = content;
        let all = sentences(manifest);
        let about = |topic: Topic| {
            all.iter().filter(|said| said.topic == topic).map(Sentence::whole).collect::<Vec<_>>()
        };
        Self {
            app: payload.component.clone(),
            version: payload.version.clone(),
            rollback_index: payload.rollback_index,
            arch: payload.arch.as_str(),
            run: manifest.run.clone(),
            image_bytes: payload.image_bytes,
            image_digest: payload.image_digest.to_string(),
            filter: FilterReport::of(content),
            permissions: about(Topic::Grant),
            withheld: about(Topic::Lack),
            limits: about(Topic::Limit),
            conduct: about(Topic::Conduct),
        }
    }
}

impl FilterReport {
    /// Holds it against the permissions.
    pub fn of(content: &Content) -> Self {
        let Content { payload, manifest } = content;
        let arch = match payload.arch {
            nacre_verify::target::Arch::Armv7 => nacre_manifest::arch::Arch::Armv7,
            nacre_verify::target::Arch::X86_64 => nacre_manifest::arch::Arch::X86_64,
        };
        let policy = Architecture::of(arch).policy;
        Self {
            instructions: payload.filter.len() / 8,
            sha256: Digest::of(&payload.filter).to_string(),
            matches_permissions: app_filter::is_ours(&payload.filter, manifest, policy),
        }
    }
}
