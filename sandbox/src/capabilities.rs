//! Capabilities (capabilities(7)): none, in no set.

use nacre_sys::capabilities::{KeepCapabilitiesError, keep, keep_bounding};

/// Empties the bounding set: no program that is executed from now on can have a capability. To drop from
/// it needs a capability, so it comes before the rest.
pub(crate) fn drop_bounding() -> Result<(), KeepCapabilitiesError> {
    keep_bounding(&[])
}

/// Empties the other sets.
pub(crate) fn drop_all() -> Result<(), KeepCapabilitiesError> {
    keep(&[])
}
