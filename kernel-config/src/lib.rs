//! Kernel fragments with a reason for every option, the checker of the final config, and the cached build.
//!
//! [`Fragments`] are what people write. A [`KernelRequest`] joins them with a [`Source`], an architecture
//! and a compiler; [`KernelRequest::check`] lets the kernel's own `conf` make the final configuration and
//! compares it with what was asked, [`KernelRequest::build`] makes the kernel, once per content.
#![forbid(unsafe_code)]

mod build;
mod cache;
mod cause;
mod check;
mod config;
mod explain;
mod fragment;
mod hardening;
mod hash;
pub mod kconfig;
mod lock;
mod make;
mod pin;
mod progress;
mod report;
mod request;
mod source;
mod value;

pub use build::{BuildKernelError, BuiltKernel};
pub use cause::{Cause, UnmetPart};
pub use check::{Finding, findings};
pub use config::{Config, Configured};
pub use explain::{ExplainedDefinition, Explanation, explain};
pub use fragment::{Asked, Fragments, LoadFragmentsError, WrongLine};
pub use hardening::{
    CheckHardeningError, HardeningFinding, HardeningLists, HardeningReport, LeftOut, Row, Setting, Verdict,
    Want, WrongEntry, WrongWant, left_out, recommended,
};
pub use lock::{LoadLockError, Lock, LockedSource, Origin};
pub use pin::{PinKernelError, Pinned, pin};
pub use progress::Progress;
pub use request::{Arch, CheckKernelError, CheckReport, ExplainSymbolError, KernelRequest};
pub use source::{ResolveSourceError, ResolvedSource, Source};
pub use value::Value;
