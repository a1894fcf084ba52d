//! What users get wrong, and what goes wrong for them: the real program on real files.
//!
//! Each case looks at the exit code, at the words (file, line and column where there is one, a remedy), at
//! standard output (nothing, or data), and at the files: everything is as it was before.

mod app;
mod board;
mod host;
mod image;
mod interrupt;
mod keys;
mod policy;
mod project;
mod recipe;
mod screen;
mod space;
