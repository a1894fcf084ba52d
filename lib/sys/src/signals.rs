//! `rt_sigaction(2)`: give every signal its default effect back.

/// Largest signal number of Linux on ARM and x86 (`_NSIG`).
const LAST: libc::c_int = 64;

/// Sets every signal to `SIG_DFL`. `execve` does that for handlers but lets "ignored" pass to the new
/// program, and Rust's std ignores SIGPIPE from its start.
///
/// It cannot fail: the kernel refuses only SIGKILL and SIGSTOP, which are never ignored. It goes past the
/// C library, which keeps two signals to itself. Async-signal-safe.
pub fn reset() {
    // `struct sigaction` of the kernel: handler, flags, restorer and 64 bits of mask, in an order that
    // differs between architectures. All zero is SIG_DFL, no flags and an empty mask in each of them.
    let default_action = [0_u64; 4];
    for signal in 1..=LAST {
        // SAFETY: the kernel reads one `struct sigaction`, at most 32 bytes, from an array that lives for
        // the whole call; SIG_DFL runs no code of the process.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default_action.as_ptr(),
                std::ptr::null_mut::<u64>(),
                size_of::<u64>(),
            )
        };
    }
}
