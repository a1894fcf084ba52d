//! fs-verity ioctls (Documentation/filesystems/fsverity.rst): make a file read-only and checked at
//! every read, and ask for its digest.

// glibc's ioctl takes the request as an unsigned long, musl's as an int: the kernel looks at 32 bits.
#![allow(clippy::cast_possible_wrap)]

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

/// `FS_VERITY_HASH_ALG_SHA256`.
const SHA256: u32 = 1;
/// `_IOW('f', 133, struct fsverity_enable_arg)`.
const FS_IOC_ENABLE_VERITY: u32 = 0x4080_6685;
/// `_IOWR('f', 134, struct fsverity_digest)`.
const FS_IOC_MEASURE_VERITY: u32 = 0xc004_6686;

/// `struct fsverity_enable_arg`.
#[repr(C)]
struct EnableArg {
    version: u32,
    hash_algorithm: u32,
    block_size: u32,
    salt_size: u32,
    salt_ptr: u64,
    sig_size: u32,
    reserved1: u32,
    sig_ptr: u64,
    reserved2: [u64; 11],
}

/// `struct fsverity_digest` with room for one SHA-256.
#[repr(C)]
struct DigestArg {
    algorithm: u16,
    size: u16,
    digest: [u8; 32],
}

/// fs-verity is not enabled on the file.
#[derive(Debug, thiserror::Error)]
#[error("enable fs-verity")]
pub struct EnableVerityError(
    /// `EEXIST` if it is enabled already, `ETXTBSY` while the file is open for writing, `EOPNOTSUPP` if
    /// the filesystem lacks it.
    #[source]
    pub Errno,
);

/// The digest of the file is not known.
#[derive(Debug, thiserror::Error)]
pub enum MeasureVerityError {
    /// `EOPNOTSUPP` if the filesystem lacks fs-verity.
    #[error("measure fs-verity")]
    Kernel(#[source] Errno),
    /// Enabled with another hash than SHA-256.
    #[error("measure fs-verity: hash algorithm {0} instead of SHA-256")]
    Algorithm(u16),
}

/// Enables fs-verity with SHA-256, blocks of `block_size` bytes and no salt. It reads the whole file
/// once. From then on the file cannot be written, and each block is checked when it is read.
///
/// # Errors
///
/// [`EnableVerityError`]; `file` must be open for reading only, and by nobody for writing.
pub fn enable(file: impl AsFd, block_size: u32) -> Result<(), EnableVerityError> {
    let arg = EnableArg {
        version: 1,
        hash_algorithm: SHA256,
        block_size,
        salt_size: 0,
        salt_ptr: 0,
        sig_size: 0,
        reserved1: 0,
        sig_ptr: 0,
        reserved2: [0; 11],
    };
    // SAFETY: the kernel reads one `struct fsverity_enable_arg`, whose layout `EnableArg` has, with no
    // salt and no signature to follow; it lives for the whole call.
    let result =
        unsafe { libc::ioctl(file.as_fd().as_raw_fd(), FS_IOC_ENABLE_VERITY as libc::Ioctl, &raw const arg) };
    Errno::result(result).map(drop).map_err(EnableVerityError)
}

/// The file's fs-verity digest, SHA-256 over its `struct fsverity_descriptor`; `None` if fs-verity is
/// not enabled on it.
///
/// # Errors
///
/// [`MeasureVerityError`] if the kernel does not say or the hash is another one.
pub fn measure(file: impl AsFd) -> Result<Option<[u8; 32]>, MeasureVerityError> {
    let mut arg = DigestArg { algorithm: 0, size: 32, digest: [0; 32] };
    // SAFETY: the kernel writes the header and at most `size` bytes after it: `arg` has room for both.
    let result =
        unsafe { libc::ioctl(file.as_fd().as_raw_fd(), FS_IOC_MEASURE_VERITY as libc::Ioctl, &raw mut arg) };
    match Errno::result(result) {
        Ok(_) if u32::from(arg.algorithm) == SHA256 && arg.size == 32 => Ok(Some(arg.digest)),
        Ok(_) => Err(MeasureVerityError::Algorithm(arg.algorithm)),
        Err(Errno::ENODATA) => Ok(None),
        Err(cause) => Err(MeasureVerityError::Kernel(cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_kernel_sizes() {
        assert_eq!(size_of::<EnableArg>(), 128);
        assert_eq!(std::mem::offset_of!(DigestArg, digest), 4);
        // The size is part of the request number (asm-generic/ioctl.h).
        assert_eq!((FS_IOC_ENABLE_VERITY >> 16) & 0x3fff, 128);
        assert_eq!((FS_IOC_MEASURE_VERITY >> 16) & 0x3fff, 4);
    }

    #[test]
    fn file_without_verity_has_no_digest_or_no_support() {
        let file = tempfile::tempfile().unwrap();
        assert!(matches!(measure(&file), Ok(None) | Err(MeasureVerityError::Kernel(_))));
        assert!(enable(&file, 1024).is_err());
    }
}
