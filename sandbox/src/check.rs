//! What the kernel itself says about this process.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

/// Requires that `/proc/self/status` has each of these lines. A capability that this program does not
/// know by name, because the kernel is newer, would be found here.
pub(crate) fn status(proc: &OwnedFd, expected: &[&str]) -> Result<(), Box<dyn Error>> {
    let file = openat(proc, "self/status", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut text = String::new();
    File::from(file).read_to_string(&mut text)?;
    match missing(&text, expected) {
        None => Ok(()),
        Some(line) => Err(format!("the kernel does not say `{}`", line.replace('\t', " ")).into()),
    }
}

fn missing<'a>(text: &str, expected: &[&'a str]) -> Option<&'a str> {
    expected.iter().copied().find(|line| text.lines().all(|found| found != *line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_that_lacks_an_expected_line_is_found() {
        let text = "Name:\tsandbox\nCapBnd:\t0000020000000000\nNoNewPrivs:\t1\n";
        assert_eq!(missing(text, &["NoNewPrivs:\t1"]), None);
        assert_eq!(
            missing(text, &["NoNewPrivs:\t1", "CapBnd:\t0000000000000000"]),
            Some("CapBnd:\t0000000000000000")
        );
        assert_eq!(missing("", &["NoNewPrivs:\t1"]), Some("NoNewPrivs:\t1"));
    }
}
