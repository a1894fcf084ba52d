//! What is in an app package, as data.

use nacre_manifest::describe::describe;
use nacre_manifest::device::{self, Manifest};
use nacre_verify::package::Package;
use serde::Serialize;

use super::check::{Finding, Verdict, explain};
use super::report::Standing;

/// An app package.
#[derive(Debug, Serialize)]
pub struct AppReport {
    /// The file.
    pub file: String,
    /// Size of the file.
    pub package_bytes: u64,
    /// Whether it is to be relied on; what it says is shown only when it is.
    #[serde(flatten)]
    pub standing: Standing,
    /// What it says.
    #[serde(flatten)]
    pub content: Option<AppContent>,
}

/// What a verified package says.
#[derive(Debug, Serialize)]
pub struct AppContent {
    /// Component id.
    pub app: String,
    /// Version for people.
    pub version: String,
    /// Version for machines.
    pub rollback_index: u64,
    /// Architecture.
    pub arch: &'static str,
    /// The app key that signed it.
    pub signed_by: String,
    /// Size of its filesystem image.
    pub image_bytes: u64,
    /// fs-verity digest of its image (SHA-256, blocks of 1024 bytes), in hexadecimal.
    pub image_digest: String,
    /// Instructions of its seccomp filter.
    pub filter_instructions: usize,
    /// Program and arguments.
    pub run: Vec<String>,
    /// Whether a boot without it has failed.
    pub critical: bool,
    /// What it may reach in the network and where it may be reached, as its manifest has it; nothing without a
    /// network.
    pub network: Option<NetworkContent>,
    /// What it may do, in sentences that begin after the app's name.
    pub may: Vec<String>,
}

/// What an app may reach, and where it may be reached.
#[derive(Debug, Serialize)]
pub struct NetworkContent {
    /// `tcp:api.example.com:443`.
    pub connect: Vec<String>,
    /// `tcp:8080`, a port of the device.
    pub listen: Vec<String>,
}

impl AppReport {
    pub(super) fn of(finding: &Finding) -> Self {
        let standing = Standing::of(&finding.verdict);
        let (standing, content) = match &finding.verdict {
            Verdict::Package(package) => match AppContent::of(package) {
                Ok(content) => (standing, Some(content)),
                // Signed, but its manifest is of another version of this program, or was never valid.
                Err(error) => (Standing { verified: false, problem: Some(explain(&error)) }, None),
            },
            _ => (standing, None),
        };
        let package_bytes = finding.subject.path.metadata().map_or(0, |data| data.len());
        Self { file: finding.name(), package_bytes, standing, content }
    }
}

impl AppContent {
    fn of(package: &Package) -> Result<Self, device::DecodeError> {
        let payload = &package.payload;
        let manifest: Manifest = device::decode(&payload.manifest)?;
        Ok(Self {
            app: payload.component.clone(),
            version: payload.version.clone(),
            rollback_index: payload.rollback_index,
            arch: payload.arch.as_str(),
            signed_by: package.signed_by.to_string(),
            image_bytes: payload.image_bytes,
            image_digest: payload.image_digest.to_string(),
            filter_instructions: payload.filter.len() / 8,
            may: describe(&manifest),
            network: manifest.network.as_ref().map(|network| NetworkContent {
                connect: network.connect.iter().map(ToString::to_string).collect(),
                listen: network.listen.iter().map(ToString::to_string).collect(),
            }),
            run: manifest.run,
            critical: manifest.critical,
        })
    }
}
