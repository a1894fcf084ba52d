//! The root filesystem: squashfs with LZ4, always the same for the same files.

use std::io::Cursor;

use backhand::compression::{CompressionAction, CompressionOptions, Compressor, DefaultCompressor, Lz4};
use backhand::kind::Kind;
use backhand::{BackhandError, FilesystemCompressor, FilesystemWriter, NodeHeader, SuperBlock};
use lz4::block::CompressionMode;

use crate::failure::{Exit, Failure, OrFail};

/// Folders of the root filesystem, parents before children: mount points and homes of the files.
const FOLDERS: [&str; 9] = ["data", "dev", "etc", "etc/nacre", "proc", "run", "sbin", "sys", "tmp"];

/// The largest block that squashfs knows is 1 MiB; 64 KiB keeps what a page fault unpacks small.
const BLOCK_BYTES: u32 = 64 * 1024;

/// `LZ4_LEGACY` and `LZ4_HC` of squashfs-tools: the format of the blocks, and that they took effort.
const LZ4_LEGACY: u32 = 1;
const LZ4_HC: u32 = 1;

/// LZ4's greatest effort. Its blocks are a fifth smaller than the usual ones and unpack as fast.
const EFFORT: i32 = 12;

/// Packs blocks with [`EFFORT`]; all else is as usual.
#[derive(Debug)]
struct HighCompression;

static HIGH: HighCompression = HighCompression;

impl CompressionAction for HighCompression {
    type Error = BackhandError;
    type Compressor = Compressor;
    type FilesystemCompressor = FilesystemCompressor;
    type SuperBlock = SuperBlock;

    fn decompress(&self, bytes: &[u8], out: &mut Vec<u8>, compressor: Compressor) -> Result<(), Self::Error> {
        DefaultCompressor.decompress(bytes, out, compressor)
    }

    fn compress(&self, bytes: &[u8], _: FilesystemCompressor, _: u32) -> Result<Vec<u8>, Self::Error> {
        Ok(lz4::block::compress(bytes, Some(CompressionMode::HIGHCOMPRESSION(EFFORT)), false)?)
    }

    fn compression_options(
        &self,
        superblock: &mut SuperBlock,
        kind: &Kind,
        compressor: FilesystemCompressor,
    ) -> Result<Option<Vec<u8>>, Self::Error> {
        DefaultCompressor.compression_options(superblock, kind, compressor)
    }
}

/// One file of the root filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootFile {
    /// Absolute path on the device.
    pub path: &'static str,
    /// Permissions.
    pub mode: u16,
    /// Content.
    pub content: Vec<u8>,
}

/// Makes the filesystem image.
pub fn make(files: &[RootFile]) -> Result<Vec<u8>, Failure> {
    let step = || "can't make the root filesystem".to_owned();
    // Owner root, time 0: nothing of the building machine goes in.
    let node = |permissions: u16| NodeHeader { permissions, uid: 0, gid: 0, mtime: 0 };
    let mut writer = FilesystemWriter::default();
    writer.set_time(0);
    writer.set_block_size(BLOCK_BYTES);
    writer.set_root_mode(0o755);
    writer.set_root_uid(0);
    writer.set_root_gid(0);
    writer.set_no_padding();
    writer.set_kind(Kind::new_v4(&HIGH));
    let options = CompressionOptions::Lz4(Lz4 { version: LZ4_LEGACY, flags: LZ4_HC });
    writer.set_compressor(
        FilesystemCompressor::new(Compressor::Lz4, Some(options)).or_fail(Exit::Internal, step)?,
    );
    for folder in FOLDERS {
        writer.push_dir(folder, node(0o755)).or_fail(Exit::Internal, step)?;
    }
    let mut files: Vec<&RootFile> = files.iter().collect();
    files.sort_by_key(|f| f.path);
    for file in files {
        writer
            .push_file(Cursor::new(file.content.clone()), file.path, node(file.mode))
            .or_fail(Exit::Internal, step)?;
    }
    let mut out = Cursor::new(Vec::new());
    writer.write(&mut out).or_fail(Exit::Internal, step)?;
    Ok(out.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<RootFile> {
        vec![
            RootFile { path: "/sbin/init", mode: 0o755, content: vec![1; 300_000] },
            RootFile { path: "/etc/nacre/image.cbor", mode: 0o644, content: b"info".to_vec() },
        ]
    }

    #[test]
    fn root_image_twice_and_in_any_order_is_the_same() {
        let first = make(&files()).unwrap();
        let mut turned = files();
        turned.reverse();
        assert_eq!(first, make(&turned).unwrap());
    }

    #[test]
    fn root_image_is_squashfs_with_lz4() {
        let image = make(&files()).unwrap();
        assert_eq!(&image[..4], b"hsqs");
        assert_eq!(u16::from_le_bytes([image[20], image[21]]), 5, "compression id of LZ4");
        assert_eq!(u32::from_le_bytes([image[8], image[9], image[10], image[11]]), 0, "modification time");
    }
}
