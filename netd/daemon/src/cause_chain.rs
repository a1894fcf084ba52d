//! An error on one line.

use std::error::Error;
use std::fmt;

/// Shows an error and its causes: `step: cause: cause`.
pub(crate) struct CauseChain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for CauseChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
