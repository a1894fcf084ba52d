//! `rt_sigaction(2)`: give a program that is executed next its signals as they were.

/// Sets SIGPIPE to `SIG_DFL`: the one signal that Rust's std ignores, from its start. `execve` resets handlers but lets
/// "ignored" pass to the new program.
///
/// It cannot fail: the kernel refuses only SIGKILL and SIGSTOP. Async-signal-safe.
pub fn reset() {
    // `struct sigaction` of the kernel: handler, flags, restorer and 64 bits of mask, in an order that
    // differs between architectures. All zero is SIG_DFL, no flags and an empty mask in each of them.
    let default_action = [0_u64; 4];
    // SAFETY: the kernel reads one `struct sigaction`, at most 32 bytes, from an array that lives for the whole call;
    // SIG_DFL runs no code of the process.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            libc::SIGPIPE,
            default_action.as_ptr(),
            std::ptr::null_mut::<u64>(),
            size_of::<u64>(),
        )
    };
}
