//! What `nacre app run` tells the host's launcher. Both are the same user's: it is a form, not a border.

use minicbor::{Decode, Encode};

/// Longest encoding, in bytes.
pub const MAX_HOST_RUN: u64 = 64 * 1024 * 1024;

/// One run of an app on a host.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HostRun {
    /// The app's manifest as the device reads it.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub manifest: Vec<u8>,
    /// Its seccomp filter, which tells of what it denies.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub filter: Vec<u8>,
    /// Arguments that follow those of the manifest.
    #[n(2)]
    pub arguments: Vec<String>,
    /// The app's files.
    #[n(3)]
    pub files: Vec<RunFile>,
    /// An empty folder to mount the app's tree on.
    #[n(4)]
    pub root: String,
    /// The folder that is its `/data`, if it may keep any.
    #[n(5)]
    pub data: Option<String>,
    /// Whether nothing may be left unenforced.
    #[n(6)]
    pub strict: bool,
    /// Whether what the launcher says is in colour.
    #[n(7)]
    pub colour: bool,
    /// A file for the denials, one CBOR item each.
    #[n(8)]
    pub denials: Option<String>,
}

/// A file of an app.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RunFile {
    /// Absolute path in the app's tree.
    #[n(0)]
    pub path: String,
    /// Whether it may be executed.
    #[n(1)]
    pub program: bool,
    /// What it holds.
    #[n(2)]
    pub content: RunContent,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum RunContent {
    /// What this file of the host holds.
    #[n(0)]
    File(#[n(0)] String),
    /// These bytes.
    #[n(1)]
    Bytes(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
}

impl HostRun {
    /// Its encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A vector takes whatever is written.
        let _ = minicbor::encode(self, &mut bytes);
        bytes
    }

    /// Decodes what [`Self::encode`] made.
    ///
    /// # Errors
    /// When it is no such description.
    pub fn decode(bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
        minicbor::decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description_encoded_comes_back_and_a_cut_one_is_refused() {
        let content = [RunContent::File("/x".into()), RunContent::Bytes(vec![1, 2])];
        let files = content.map(|content| RunFile { path: "/app/x".into(), program: true, content });
        let run = HostRun {
            manifest: vec![1],
            filter: vec![2; 16],
            arguments: vec!["a".into()],
            files: files.to_vec(),
            root: "/r".into(),
            data: None,
            strict: true,
            colour: false,
            denials: Some("/d".into()),
        };
        let bytes = run.encode();
        assert_eq!(HostRun::decode(&bytes).unwrap(), run);
        for length in 0..bytes.len() {
            assert!(HostRun::decode(&bytes[..length]).is_err(), "{length}");
        }
    }
}
