//! The one error of a launch: which step failed, on what, and why.

use std::error::Error;
use std::fmt;

use crate::step::Step;

/// A step failed. Nothing of the app has run.
#[derive(Debug)]
pub struct LaunchError {
    step: Step,
    cause: Box<dyn Error>,
}

impl LaunchError {
    pub(crate) fn new(step: Step, cause: Box<dyn Error>) -> Self {
        Self { step, cause }
    }

    /// The step that failed.
    pub fn step(&self) -> &Step {
        &self.step
    }
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.step.fmt(f)
    }
}

impl Error for LaunchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}
