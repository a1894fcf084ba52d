//! The closed list: tests of the kernel that don't pass on ours, each with the reason. A test that fails or is skipped
//! and isn't listed fails ours; so does an entry that nothing needs any more.

use nacre_tests::image::{ARMV7, Board};
use regex::Regex;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It found what it looks for.
    Passed,
    /// It didn't.
    Failed,
    /// It said that it can't look.
    Skipped,
}

/// Where an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    /// On every board.
    Every,
    /// On 32-bit ARM.
    Arm,
}

/// Tests that don't pass, and why.
#[derive(Debug)]
pub(crate) struct Known {
    /// `PROGRAM NAME` of the tests, as a pattern for the whole of it.
    pub(crate) tests: &'static str,
    /// How they end.
    pub(crate) how: How,
    /// Where.
    pub(crate) on: On,
    /// Why this says nothing against the kernel.
    pub(crate) reason: &'static str,
}

impl Known {
    pub(crate) fn is_on(&self, board: Board) -> bool {
        match self.on {
            On::Every => true,
            On::Arm => board == ARMV7,
        }
    }

    pub(crate) fn matches(&self, test: &str) -> bool {
        Regex::new(&format!("^(?:{})$", self.tests)).expect("the list's patterns are valid").is_match(test)
    }
}

/// The list.
pub(crate) const KNOWN: [Known; 11] = [
    Known {
        tests: r"base_test global\.cred_transfer",
        how: How::Failed,
        on: On::Every,
        reason: "hands credentials on by keyctl(), and the kernel has no key rings (CONFIG_KEYS)",
    },
    Known {
        tests: r"fs_test global\.memfd_ftruncate_and_ioctl",
        how: How::Failed,
        on: On::Every,
        reason: "asks a memfd for its flags, which tmpfs keeps only with extended attributes (CONFIG_TMPFS_XATTR)",
    },
    Known {
        tests: r"fs_test layout2_overlay\..*",
        how: How::Skipped,
        on: On::Every,
        reason: "there is no overlay filesystem (CONFIG_OVERLAY_FS)",
    },
    Known {
        tests: r"fs_test layout3_fs\.hostfs\..*",
        how: How::Skipped,
        on: On::Every,
        reason: "a filesystem that only a kernel in user mode has",
    },
    Known {
        tests: r"net_test .*ipv6.*",
        how: How::Failed,
        on: On::Every,
        reason: "there is no IPv6 (CONFIG_IPV6)",
    },
    Known {
        tests: r"net_test .*ipv4_mptcp.*",
        how: How::Failed,
        on: On::Every,
        reason: "there is no multipath TCP (CONFIG_MPTCP)",
    },
    Known {
        tests: r"net_test mini\.tcp_port_overflow",
        how: How::Failed,
        on: On::Arm,
        reason: "its port `UINT32_MAX + 1UL` is 0, a valid one, where long has 32 bits: the test is wrong there",
    },
    Known {
        tests: r"seccomp_bpf global\.kcmp",
        how: How::Skipped,
        on: On::Every,
        reason: "there is no kcmp() (CONFIG_KCMP)",
    },
    Known {
        tests: r"seccomp_bpf global\.get_metadata",
        how: How::Skipped,
        on: On::Every,
        reason: "reads a filter back, for checkpoints (CONFIG_CHECKPOINT_RESTORE)",
    },
    Known {
        tests: r"seccomp_bpf O_SUSPEND_SECCOMP\..*",
        how: How::Skipped,
        on: On::Every,
        reason: "switches seccomp off, for checkpoints (CONFIG_CHECKPOINT_RESTORE)",
    },
    Known {
        tests: r"seccomp_bpf (global|TRACE_syscall\.\w+)\.negative_ENOSYS",
        how: How::Skipped,
        on: On::Arm,
        reason: "32-bit ARM can't call the system call -1",
    },
];
