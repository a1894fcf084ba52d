//! An error with its causes, on one line.

use std::error::Error;
use std::fmt;

/// Shows an error and its causes: `step: cause: cause`. What they quote is shown as it is.
pub struct CauseChain<'a>(pub &'a (dyn Error + 'a));

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

impl fmt::Debug for CauseChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Step(&'static str, Option<Box<Step>>);

    impl fmt::Display for Step {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Step {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn error_with_causes_is_one_line_from_the_outside_in() {
        let cause = Step("open the file", Some(Box::new(Step("no such file", None))));
        assert_eq!(
            CauseChain(&Step("start", Some(Box::new(cause)))).to_string(),
            "start: open the file: no such file"
        );
        assert_eq!(CauseChain(&Step("alone", None)).to_string(), "alone");
    }
}
