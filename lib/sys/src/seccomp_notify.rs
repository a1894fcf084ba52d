//! The listener's end of `SECCOMP_RET_USER_NOTIF` (seccomp_unotify(2)): take a notification of a call, answer it.

// glibc's ioctl takes the request as an unsigned long, musl's as an int: the kernel looks at 32 bits.
#![allow(clippy::cast_possible_wrap)]

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// `_IOWR('!', 0, struct seccomp_notif)`.
const SECCOMP_IOCTL_NOTIF_RECV: u32 = 0xc050_2100;
/// `_IOWR('!', 1, struct seccomp_notif_resp)`.
const SECCOMP_IOCTL_NOTIF_SEND: u32 = 0xc018_2101;
/// `_IOW('!', 2, __u64)`.
const SECCOMP_IOCTL_NOTIF_ID_VALID: u32 = 0x4008_2102;
/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`.
const CONTINUE: u32 = 1;

/// `struct seccomp_notif`.
#[repr(C)]
#[derive(Debug, Default)]
struct RawNotification {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    arch: u32,
    instruction_pointer: u64,
    arguments: [u64; 6],
}
const _: () = assert!(size_of::<RawNotification>() == 80);

/// `struct seccomp_notif_resp`.
#[repr(C)]
struct RawResponse {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}
const _: () = assert!(size_of::<RawResponse>() == 24);

/// A thread that waits in a call for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notification {
    /// The notification's own number.
    pub id: u64,
    /// The thread, in the caller's PID namespace. It may be gone at any time, and its number another's.
    pub thread: u32,
    /// The call's number.
    pub number: u32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Its six registers.
    pub arguments: [u64; 6],
}

/// What to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The call is not made and fails with this error, a positive number.
    Error(i32),
    /// The kernel makes the call, as if the filter had allowed it. For what a filter denies this would undo it.
    Continue,
}

/// A listener did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{step} of a system call")]
pub struct NotifyError {
    step: &'static str,
    /// `ENOENT` if the thread has gone on or is gone.
    #[source]
    pub cause: Errno,
}

/// What a listener has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// A notification.
    Call(Notification),
    /// None now.
    Nothing,
    /// None ever: whoever the filter judged is gone.
    Ended,
}

/// The next notification, without waiting.
///
/// The kernel's call for it waits when there is none. poll(2) says whether there is one, and as one process takes
/// them it stays: a thread that dies meanwhile makes the call fail, but never wait, because the kernel counts
/// what was posted and not what still waits (kernel/seccomp.c, seccomp_notify_recv).
///
/// # Errors
///
/// [`NotifyError`] of the kernel, but for a thread that is gone.
pub fn receive(listener: impl AsFd) -> Result<Received, NotifyError> {
    let failed = |cause| NotifyError { step: "take the notification", cause };
    let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    match poll(&mut ready, PollTimeout::ZERO) {
        Ok(0) | Err(Errno::EINTR) => return Ok(Received::Nothing),
        Ok(_) => {}
        Err(cause) => return Err(failed(cause)),
    }
    let has = |event| ready.iter().any(|fd| fd.revents().is_some_and(|events| events.contains(event)));
    if !has(PollFlags::POLLIN) {
        return Ok(if has(PollFlags::POLLHUP) { Received::Ended } else { Received::Nothing });
    }
    // The kernel wants it zeroed.
    let mut raw = RawNotification::default();
    let request = SECCOMP_IOCTL_NOTIF_RECV as _;
    // SAFETY: the kernel writes one `struct seccomp_notif`, which `raw` is, and it lives for the whole call.
    let result = unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), request, &raw mut raw) };
    match Errno::result(result) {
        Ok(_) => Ok(Received::Call(Notification {
            id: raw.id,
            thread: raw.pid,
            number: raw.number.cast_unsigned(),
            arch: raw.arch,
            arguments: raw.arguments,
        })),
        Err(Errno::ENOENT | Errno::EINTR) => Ok(Received::Nothing),
        Err(cause) => Err(failed(cause)),
    }
}

/// Whether the thread still waits for this answer. What was read of its memory before counts only if it does:
/// its number may have become another's.
pub fn is_valid(listener: impl AsFd, id: u64) -> bool {
    let request = SECCOMP_IOCTL_NOTIF_ID_VALID as _;
    // SAFETY: the kernel reads the number behind the pointer, which lives for the whole call.
    let result = unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), request, &raw const id) };
    result == 0
}

/// Answers a notification. That the thread is gone already is no error.
///
/// # Errors
///
/// [`NotifyError`] of the kernel: `EINVAL` for an error number that is none.
pub fn answer(listener: impl AsFd, id: u64, answer: Answer) -> Result<(), NotifyError> {
    let mut raw = match answer {
        Answer::Error(error) => RawResponse { id, value: 0, error: -error.abs(), flags: 0 },
        Answer::Continue => RawResponse { id, value: 0, error: 0, flags: CONTINUE },
    };
    let request = SECCOMP_IOCTL_NOTIF_SEND as _;
    // SAFETY: the kernel reads one `struct seccomp_notif_resp`, which `raw` is, and it lives for the whole call.
    let result = unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), request, &raw mut raw) };
    match Errno::result(result) {
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(cause) => Err(NotifyError { step: "answer the notification", cause }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::{Duration, Instant};

    use nix::sys::prctl;
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    use super::*;
    use crate::seccomp::load_with_listener;

    /// No call has one of these numbers.
    const FIRST: u32 = 2_000;
    const LAST: u32 = 3_000;

    /// Notifies of calls with these numbers and allows all others.
    fn filter() -> Vec<[u8; 8]> {
        let instruction = |code: u16, jt: u8, jf: u8, k: u32| {
            let ([c0, c1], [k0, k1, k2, k3]) = (code.to_ne_bytes(), k.to_ne_bytes());
            [c0, c1, jt, jf, k0, k1, k2, k3]
        };
        vec![
            instruction(0x20, 0, 0, 0),
            instruction(0x35, 0, 1, FIRST),
            instruction(0x35, 0, 1, LAST),
            instruction(0x06, 0, 0, 0x7fff_0000),
            instruction(0x06, 0, 0, 0x7fc0_0000),
        ]
    }

    fn call(number: u32, arguments: [u64; 6]) -> Errno {
        let [a, b, c, d, e, f] = arguments.map(|argument| {
            #[allow(clippy::useless_conversion)] // A word has 32 bits on ARM.
            let word = u64::try_from(libc::c_ulong::MAX).unwrap();
            #[allow(clippy::useless_conversion)] // The same.
            let argument = libc::c_ulong::try_from(argument & word).unwrap();
            argument
        });
        let number = libc::c_long::from(number.cast_signed());
        // SAFETY: no call has this number, so the kernel looks at no argument.
        let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
        Errno::result(result).map_or_else(|errno| errno, |_| panic!("the call succeeded"))
    }

    fn confined(body: impl FnOnce() + Send + 'static) -> (OwnedFd, thread::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel();
        let handle = thread::spawn(move || {
            prctl::set_no_new_privs().unwrap();
            sender.send(load_with_listener(&filter()).unwrap()).unwrap();
            body();
        });
        (receiver.recv().unwrap(), handle)
    }

    /// Takes what is there until the end.
    fn serve(listener: &OwnedFd, mut judge: impl FnMut(Notification)) {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let before = Instant::now();
            let received = receive(listener).unwrap();
            assert!(before.elapsed() < Duration::from_secs(5), "it waited");
            match received {
                Received::Call(call) => judge(call),
                Received::Nothing => thread::sleep(Duration::from_micros(20)),
                Received::Ended => return,
            }
            assert!(Instant::now() < until);
        }
    }

    #[test]
    fn any_calls_of_many_threads_that_are_interrupted_are_answered_without_waiting() {
        extern "C" fn nothing(_: libc::c_int) {}
        let handler = SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the handler does nothing, and no other test of this process uses the signal.
        unsafe { sigaction(Signal::SIGUSR2, &handler) }.unwrap();
        let made = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&made);
        let (listener, handle) = confined(move || {
            let workers: Vec<_> = (0..4_u64)
                .map(|seed| {
                    let made = Arc::clone(&count);
                    thread::spawn(move || {
                        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                        for _ in 0..500 {
                            random ^= random << 13;
                            random ^= random >> 7;
                            random ^= random << 17;
                            let number = FIRST + u32::try_from(random % 1_000).unwrap();
                            assert_eq!(call(number, [random; 6]), Errno::EUCLEAN);
                            made.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            // Signals take threads out of their wait: the notification dies, and the call is made again.
            while workers.iter().any(|worker| !worker.is_finished()) {
                for worker in &workers {
                    if !worker.is_finished() {
                        use std::os::unix::thread::JoinHandleExt;
                        // SAFETY: the thread is not joined yet, so its handle is good.
                        unsafe { libc::pthread_kill(worker.as_pthread_t(), libc::SIGUSR2) };
                    }
                }
                thread::sleep(Duration::from_millis(1));
            }
            workers.into_iter().for_each(|worker| worker.join().unwrap());
        });
        let mut taken = 0;
        serve(&listener, |call| {
            taken += 1;
            assert!((FIRST..LAST).contains(&call.number));
            if taken % 3 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            answer(&listener, call.id, Answer::Error(Errno::EUCLEAN as i32)).unwrap();
        });
        handle.join().unwrap();
        assert_eq!(made.load(Ordering::Relaxed), 2_000);
        assert!(taken >= 2_000);
    }

    #[test]
    fn answer_to_a_thread_that_is_gone_is_no_error_and_the_listener_ends() {
        let (listener, handle) = confined(|| {
            let _ = call(FIRST, [1, 2, 3, 4, 5, 6]);
        });
        let mut seen = None;
        serve(&listener, |call| {
            assert_eq!(call.arguments, [1, 2, 3, 4, 5, 6]);
            answer(&listener, call.id, Answer::Error(1)).unwrap();
            // To nobody.
            answer(&listener, u64::MAX, Answer::Continue).unwrap();
            assert!(!is_valid(&listener, call.id));
            seen = Some(call.thread);
        });
        handle.join().unwrap();
        assert!(seen.is_some_and(|thread| thread != 0));
        assert_eq!(receive(&listener).unwrap(), Received::Ended);
    }
}
