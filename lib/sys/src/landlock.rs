//! `landlock_create_ruleset(2)`: which Landlock the kernel has.

use nix::errno::Errno;

/// `LANDLOCK_CREATE_RULESET_VERSION`.
const VERSION: libc::c_uint = 1;

/// The version of the kernel's Landlock interface; 0 if it has none or it is switched off.
pub fn abi() -> u32 {
    let no_rules = std::ptr::null::<u8>();
    // SAFETY: with this flag the kernel reads no attributes, of which there are none.
    let result = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, no_rules, 0, VERSION) };
    Errno::result(result).ok().and_then(|abi| u32::try_from(abi).ok()).unwrap_or(0)
}
