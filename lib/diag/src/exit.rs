//! The table of exit codes.

use std::fmt;

/// How a program ended: the one table of exit codes.
///
/// Values from 64 up follow `sysexits.h` where it has a fitting one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// What was asked is done.
    Done = 0,
    /// A fault of this program or of the machine it runs on.
    Internal = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The input is well formed, but a rule forbids it.
    Refused = 64,
    /// The input is not what it should be.
    BadInput = 65,
    /// Something named does not exist.
    NotFound = 66,
    /// A signature, a hash or a bound does not hold.
    VerificationFailed = 69,
    /// Nothing is wrong for good: the same command may succeed later.
    TryAgain = 75,
}

impl ExitCode {
    /// Every code. Where several problems end one command the first of them in this order wins: an
    /// internal fault makes every other finding doubtful, a failed verification must never look like a
    /// typing error, and "try again" is said only when nothing else is wrong.
    pub const ALL: [Self; 8] = [
        Self::Internal,
        Self::VerificationFailed,
        Self::Usage,
        Self::BadInput,
        Self::NotFound,
        Self::Refused,
        Self::TryAgain,
        Self::Done,
    ];

    /// The number that the operating system is given.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The code in words, for help texts and JSON: lowercase, with hyphens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::Refused => "refused-by-policy",
            Self::BadInput => "bad-input",
            Self::NotFound => "not-found",
            Self::VerificationFailed => "verification-failed",
            Self::TryAgain => "try-again",
        }
    }

    /// Of two ends the one that a command with both must report.
    pub fn worse(self, other: Self) -> Self {
        Self::ALL.into_iter().find(|code| *code == self || *code == other).unwrap_or(self)
    }
}

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode;

    #[test]
    fn exit_code_table_keeps_its_numbers() {
        let mut table: Vec<_> = ExitCode::ALL.into_iter().map(|c| (c.code(), c.name())).collect();
        table.sort_unstable();
        assert_eq!(
            table,
            [
                (0, "done"),
                (1, "internal"),
                (2, "usage"),
                (64, "refused-by-policy"),
                (65, "bad-input"),
                (66, "not-found"),
                (69, "verification-failed"),
                (75, "try-again"),
            ]
        );
    }

    #[test]
    fn worse_of_two_is_the_same_in_both_orders() {
        for a in ExitCode::ALL {
            assert_eq!(ExitCode::Done.worse(a), a);
            for b in ExitCode::ALL {
                assert_eq!(a.worse(b), b.worse(a));
            }
        }
        assert_eq!(ExitCode::BadInput.worse(ExitCode::VerificationFailed), ExitCode::VerificationFailed);
        assert_eq!(ExitCode::Refused.worse(ExitCode::BadInput), ExitCode::BadInput);
    }
}
