//! System calls by number, and what they need.

use std::ffi::CString;

use libc::c_long;
use nix::errno::Errno;

/// What an attack comes to: an error is where it was stopped.
pub(crate) type Outcome = Result<(), Errno>;

/// Makes a system call.
///
/// It isn't marked `unsafe`, because nothing here could be called safe: this process is an attack, and all that it
/// may break by a wrong argument is itself.
pub(crate) fn call(number: c_long, arguments: &[usize]) -> Result<usize, Errno> {
    let mut six = [0; 6];
    for (place, argument) in six.iter_mut().zip(arguments) {
        *place = *argument;
    }
    let [a, b, c, d, e, f] = six;
    // SAFETY: see above; pointers among the arguments lead to values that outlive the call.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    Errno::result(result).map(|value| value as usize)
}

/// The address of a value, as an argument.
pub(crate) fn at<T: ?Sized>(value: &T) -> usize {
    std::ptr::from_ref(value).cast::<u8>() as usize
}

/// The address of a value that the kernel writes to.
pub(crate) fn into<T: ?Sized>(value: &mut T) -> usize {
    std::ptr::from_mut(value).cast::<u8>() as usize
}

/// Text for the kernel. A zero byte ends it early.
pub(crate) fn text(value: &str) -> CString {
    CString::new(value.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

/// The error of a call of the standard library.
pub(crate) fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// The place where paths begin for `openat(2)` and its like.
pub(crate) const HERE: usize = libc::AT_FDCWD as usize;
