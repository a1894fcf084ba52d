//! The fs-verity digest of a file (kernel documentation: filesystems/fsverity.rst).
//!
//! It is the SHA-256 of a `struct fsverity_descriptor` that holds the file's size and the root hash of its
//! Merkle tree: what `FS_IOC_MEASURE_VERITY` answers on the device.

use crate::digest::{Digest, Hasher};
use crate::tree::{self, BlockSize};

/// Block size of the data filesystem, and so of the packages' hash trees on it.
pub const PACKAGE_BLOCK: BlockSize = BlockSize::B1024;

/// `version` of the descriptor.
const DESCRIPTOR_VERSION: u8 = 1;
/// `FS_VERITY_HASH_ALG_SHA256`.
const HASH_ALGORITHM_SHA256: u8 = 1;

/// The fs-verity digest of a file's content: SHA-256, no salt, no builtin signature.
pub fn digest(content: &[u8], block: BlockSize) -> Digest {
    // usize is at most 64 bits wide on every target, so the size is always representable.
    let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
    descriptor_digest(size, &tree::hash_tree(content, block).root, block)
}

/// Hashes the 256 bytes of the descriptor.
fn descriptor_digest(size: u64, root: &Digest, block: BlockSize) -> Digest {
    let mut hasher = Hasher::new();
    // version, hash_algorithm, log_blocksize, salt_size
    hasher.update(&[DESCRIPTOR_VERSION, HASH_ALGORITHM_SHA256, block.log2(), 0]);
    // __reserved_0x04: the signature's size, which the kernel takes as 0 for the digest
    hasher.update(&[0; 4]);
    hasher.update(&size.to_le_bytes());
    // root_hash, 64 bytes
    hasher.update(&root.0);
    hasher.update(&[0; 32]);
    // salt (32) and __reserved (144)
    hasher.update(&[0; 176]);
    hasher.finish()
}
