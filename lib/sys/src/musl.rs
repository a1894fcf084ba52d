//! Two functions of the C library in a form that costs a device less.
//!
//! They come from an archive, and the linker takes a function from there only if the program has none of that name (ld(1),
//! "archive"): a program with this crate has these in their place, also for the crates that call them by libc.
//!
//! musl's `open` asks for close-on-exec twice, for kernels before Linux 2.6.23, with a system call more for each file.
//! Its `fstat` copies through floating-point registers ([`crate::file`]); the `landlock` crate calls it for each rule.

use libc::{c_char, c_int, mode_t, stat};

use crate::file::{Kind, statx};

/// As open(3p). The standard's has a variable number of arguments, which ARM and x86-64 pass as here: without
/// `O_CREAT` and `O_TMPFILE` nobody sets the third, and the kernel ignores it.
///
/// # Safety
///
/// `path` is a C string.
#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the kernel reads the caller's C string.
    let number =
        unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags | libc::O_LARGEFILE, mode) };
    // The kernel counts descriptors in a C int.
    c_int::try_from(number).unwrap_or(-1)
}

/// As fstat(3p), but only what [`crate::file::Status`] has is told; the rest is zero.
///
/// # Safety
///
/// `to` has room for one `struct stat`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fstat(number: c_int, to: *mut stat) -> c_int {
    let Ok(status) = statx(number, c"", libc::AT_EMPTY_PATH) else { return -1 };
    // SAFETY: zero is a value of each of its fields.
    let mut found: stat = unsafe { std::mem::zeroed() };
    found.st_mode = match status.kind {
        Kind::Folder => libc::S_IFDIR,
        Kind::File => libc::S_IFREG,
        Kind::Other => libc::S_IFIFO,
    };
    found.st_uid = status.owner;
    found.st_size = libc::off_t::try_from(status.bytes).unwrap_or(libc::off_t::MAX);
    // SAFETY: the caller's room.
    unsafe { to.write(found) };
    0
}
