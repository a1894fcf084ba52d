//! An Azure Sphere application manifest (schema 1), turned into a manifest of Nacre: bytes in, text out.
//!
//! Each line of the result says where it comes from, and what has no counterpart is told one by one. What Nacre
//! accepts is asked of `lib/manifest` and known nowhere else.

mod accepts;
mod capabilities;
mod devices;
mod draft;
mod hardware;
mod identity;
mod json;
mod manifest;
mod network;
mod program;
mod reading;
mod report;
mod text;
mod yaml;

use nacre_diag::Report;
use serde::Serialize;

pub use hardware::{Hardware, MAX_DEFINITION};
pub use identity::Peer;
pub use report::list;
pub use text::Text;

/// Longest manifest that is read, in bytes: a hundred times a long one.
pub const MAX_MANIFEST: usize = 64 * 1024;

/// What a manifest was turned into.
#[derive(Debug)]
pub struct Imported {
    /// The text of `nacre.yaml`.
    pub yaml: String,
    /// Its lines, without their comments.
    pub lines: Vec<Line>,
    /// What it doesn't hold.
    pub left_out: Vec<LeftOut>,
}

/// A line of the result.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The line, without its comment.
    pub yaml: String,
    /// The field of the Azure Sphere manifest that it comes from, or `default`.
    pub from: String,
}

/// Something of the Azure Sphere manifest that is not in the result.
#[derive(Debug, Clone, Serialize)]
pub struct LeftOut {
    /// The field.
    pub from: String,
    /// Its value.
    pub value: serde_json::Value,
    /// Why it is left out.
    pub reason: String,
    /// What to do instead.
    pub instead: String,
}

/// Turns a manifest into one of Nacre. `hardware` names the peripherals, `peers` are the apps that it may talk to.
///
/// # Errors
/// Exit code 65, with every problem, if it is not an Azure Sphere manifest; 1 if `lib/manifest` doesn't take the
/// result for what was meant.
pub fn import(text: &Text, hardware: Option<&Hardware>, peers: &[Peer]) -> Result<Imported, Report> {
    let draft = manifest::read(text, hardware, peers)?;
    let (yaml, lines) = yaml::write(&draft, &text.file);
    accepts::check(&yaml, &draft)?;
    Ok(Imported { yaml, lines, left_out: draft.left_out })
}
