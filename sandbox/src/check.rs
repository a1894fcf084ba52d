//! What the kernel itself says about this process.

use std::error::Error;

use nacre_sys::capabilities;
use nix::sys::prctl;

use crate::step::Expected;

/// Requires that the kernel agrees with each of these. It is asked by other calls than those that made it so, and about
/// every capability that it knows, also one that came after this program was written.
pub(crate) fn kernel_agrees(expected: &[Expected]) -> Result<(), Box<dyn Error>> {
    for expected in expected {
        let holds = match expected {
            Expected::NoCapabilities => !capabilities::any_left()?,
            Expected::NoNewPrivs => prctl::get_no_new_privs()?,
        };
        if !holds {
            return Err(format!("the kernel does not say `{}`", expected.name()).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_that_gave_nothing_up_is_found() {
        assert!(kernel_agrees(&[]).is_ok());
        for (expected, text) in [
            (Expected::NoCapabilities, "the kernel does not say `no capabilities`"),
            (Expected::NoNewPrivs, "the kernel does not say `no_new_privs`"),
        ] {
            assert_eq!(kernel_agrees(&[expected]).unwrap_err().to_string(), text);
        }
    }
}
