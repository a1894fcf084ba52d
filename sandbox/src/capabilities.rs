//! Capabilities (capabilities(7)): none, in no set.

use caps::CapSet;
use caps::errors::CapsError;
use nacre_sys::capabilities::{KeepCapabilitiesError, keep_bounding};

/// Empties the bounding set: no program that is executed from now on can have a capability. To drop from
/// it needs a capability, so it comes before the rest. `caps` would ask about each one before.
pub(crate) fn drop_bounding() -> Result<(), KeepCapabilitiesError> {
    keep_bounding(&[])
}

/// Empties the other sets.
pub(crate) fn drop_all() -> Result<(), CapsError> {
    [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted]
        .into_iter()
        .try_for_each(|set| caps::clear(None, set))
}
