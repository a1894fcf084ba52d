//! Merkle hash trees as dm-verity and fs-verity build them: SHA-256, no salt.
//!
//! The data are cut into blocks and each block is hashed; the digests fill blocks (the rest of the last one
//! is zero), which are hashed in turn, until one digest is left: the root hash. Of one block of data the
//! root hash is the block's own digest and the tree is empty. On disk the levels are stored from the top
//! down, as `veritysetup format --no-superblock --format=1 --salt=-` does (kernel documentation:
//! admin-guide/device-mapper/verity.rst).

use alloc::vec::Vec;

use crate::digest::{DIGEST_BYTES, Digest, Hasher};

/// Size of the blocks that are hashed; data and hash blocks are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockSize {
    /// 1024 bytes: fs-verity on a filesystem with such blocks.
    B1024,
    /// 4096 bytes: dm-verity.
    B4096,
}

impl BlockSize {
    /// In bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::B1024 => 1024,
            Self::B4096 => 4096,
        }
    }

    /// Base-2 logarithm of the size in bytes.
    pub const fn log2(self) -> u8 {
        match self {
            Self::B1024 => 10,
            Self::B4096 => 12,
        }
    }
}

/// A hash tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Its blocks in on-disk order, without superblock.
    pub bytes: Vec<u8>,
    /// The digest that stands for all the data. Of no data at all: 32 zero bytes.
    pub root: Digest,
}

/// The hash tree of some data with dm-verity's 4096-byte blocks; the last block is filled with zeros.
pub fn verity_tree(data: &[u8]) -> Tree {
    hash_tree(data, BlockSize::B4096)
}

/// The hash tree of some data; the last block is filled with zeros.
pub fn hash_tree(data: &[u8], block: BlockSize) -> Tree {
    let mut leaves = Leaves::new(block);
    data.chunks(block.bytes()).for_each(|chunk| leaves.push(chunk));
    leaves.finish()
}

/// Bytes that the tree of this many data blocks takes, or `None` when that is beyond 64 bits.
pub fn tree_bytes(data_blocks: u64, block: BlockSize) -> Option<u64> {
    let block_bytes = u64::try_from(block.bytes()).ok()?;
    let per_block = u64::try_from(block.bytes() / DIGEST_BYTES).ok()?;
    let (mut level, mut total) = (data_blocks, 0_u64);
    while level > 1 {
        level = level.div_ceil(per_block);
        total = total.checked_add(level)?;
    }
    total.checked_mul(block_bytes)
}

/// The digests of data blocks, taken one block at a time.
#[derive(Debug, Clone)]
pub(crate) struct Leaves {
    block: BlockSize,
    digests: Vec<u8>,
}

impl Leaves {
    /// No blocks yet.
    pub(crate) fn new(block: BlockSize) -> Self {
        Self { block, digests: Vec::new() }
    }

    /// Adds one block, at most a block long. A shorter one is filled with zeros and must be the last.
    pub(crate) fn push(&mut self, data: &[u8]) {
        self.digests.extend_from_slice(&hash_block(data, self.block).0);
    }

    /// The digests so far, in order of the blocks.
    pub(crate) fn digests(&self) -> &[u8] {
        &self.digests
    }

    /// The tree above the blocks.
    pub(crate) fn finish(self) -> Tree {
        let block_bytes = self.block.bytes();
        let mut levels: Vec<Vec<u8>> = Vec::new();
        let mut digests = self.digests;
        while digests.len() > DIGEST_BYTES {
            digests.resize(digests.len().next_multiple_of(block_bytes), 0);
            let above = digests.chunks(block_bytes).flat_map(|block| Digest::of(block).0).collect();
            levels.push(core::mem::replace(&mut digests, above));
        }
        let root = digests.as_slice().try_into().unwrap_or([0; DIGEST_BYTES]);
        Tree { bytes: levels.into_iter().rev().flatten().collect(), root: Digest(root) }
    }
}

fn hash_block(data: &[u8], block: BlockSize) -> Digest {
    const ZEROS: [u8; BlockSize::B4096.bytes()] = [0; BlockSize::B4096.bytes()];
    let mut hasher = Hasher::new();
    hasher.update(data);
    let missing = block.bytes().saturating_sub(data.len());
    hasher.update(ZEROS.get(..missing).unwrap_or(&[]));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_of_one_block_is_empty_and_its_root_is_the_block_digest() {
        let data = [5; 4096];
        assert_eq!(verity_tree(&data), Tree { bytes: Vec::new(), root: Digest::of(&data) });
        let mut filled = [0; 4096];
        filled[..3].copy_from_slice(b"abc");
        assert_eq!(verity_tree(b"abc").root, Digest::of(&filled));
        assert_eq!(verity_tree(b"").root, Digest([0; 32]));
    }

    #[test]
    fn tree_levels_are_stored_from_the_top() {
        // 33 blocks of 1024 bytes: 33 digests fill two blocks, whose digests are in one block above.
        let data = vec![1; 33 * 1024];
        let tree = hash_tree(&data, BlockSize::B1024);
        assert_eq!(tree.bytes.len(), 3 * 1024);
        let (top, leaves) = tree.bytes.split_at(1024);
        assert_eq!(tree.root, Digest::of(top));
        assert_eq!(top[..32], Digest::of(&leaves[..1024]).0);
        assert_eq!(top[32..64], Digest::of(&leaves[1024..]).0);
        assert_eq!(leaves[..32], Digest::of(&data[..1024]).0);
        assert!(leaves[33 * 32..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn tree_bytes_is_the_size_of_the_tree() {
        for blocks in [0_usize, 1, 2, 31, 32, 33, 127, 128, 129, 1024, 1025] {
            for block in [BlockSize::B1024, BlockSize::B4096] {
                let tree = hash_tree(&vec![0; blocks * block.bytes()], block);
                assert_eq!(
                    tree_bytes(blocks as u64, block),
                    Some(tree.bytes.len() as u64),
                    "{blocks} {block:?}"
                );
            }
        }
        assert_eq!(tree_bytes(u64::MAX, BlockSize::B4096), None);
    }
}
