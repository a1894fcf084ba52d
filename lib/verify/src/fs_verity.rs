//! The fs-verity digest of a file (kernel documentation: filesystems/fsverity.rst).
//!
//! It is the SHA-256 of a `struct fsverity_descriptor` that holds the file's size and the root hash of its
//! Merkle tree: what `FS_IOC_MEASURE_VERITY` answers on the device.

use alloc::vec::Vec;

use crate::digest::Digest;
use crate::tree::{self, BlockSize};

/// Block size of the data filesystem, and so of the packages' hash trees on it.
pub const PACKAGE_BLOCK: BlockSize = BlockSize::B1024;

/// `version` of the descriptor.
const DESCRIPTOR_VERSION: u8 = 1;
/// `FS_VERITY_HASH_ALG_SHA256`.
const HASH_ALGORITHM_SHA256: u8 = 1;

/// Bytes of a descriptor.
pub const DESCRIPTOR_BYTES: usize = 256;

/// What a filesystem keeps beside a file with fs-verity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Its Merkle tree, the highest level first; whole blocks, and none at all for a file of one block.
    pub tree: Vec<u8>,
    /// Its `struct fsverity_descriptor`, without a builtin signature. Its SHA-256 is the file's digest.
    pub descriptor: [u8; DESCRIPTOR_BYTES],
}

impl Metadata {
    /// That of a file with this content: SHA-256, no salt, no builtin signature.
    pub fn of(content: &[u8], block: BlockSize) -> Self {
        // usize is at most 64 bits wide on every target, so the size is always representable.
        let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let tree = tree::hash_tree(content, block);
        Self { descriptor: descriptor(size, &tree.root, block), tree: tree.bytes }
    }

    /// The digest that the kernel answers for the file.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.descriptor)
    }
}

/// The fs-verity digest of a file's content: SHA-256, no salt, no builtin signature.
pub fn digest(content: &[u8], block: BlockSize) -> Digest {
    Metadata::of(content, block).digest()
}

/// The fields that are zero here: the signature's size and place, the salt and its size, what is reserved.
fn descriptor(size: u64, root: &Digest, block: BlockSize) -> [u8; DESCRIPTOR_BYTES] {
    let mut fields = [0; DESCRIPTOR_BYTES];
    let head = [DESCRIPTOR_VERSION, HASH_ALGORITHM_SHA256, block.log2(), 0];
    // version, hash_algorithm, log_blocksize, salt_size; sig_size; data_size; root_hash
    let values = head.into_iter().chain([0; 4]).chain(size.to_le_bytes()).chain(root.0);
    for (field, value) in fields.iter_mut().zip(values) {
        *field = value;
    }
    fields
}
