//! Which links the kernel's table of flows sees.

use crate::netlink::{RequestError, Socket};
use crate::ruleset::app::link_name;
use crate::ruleset::base::UPLINK;
use crate::ruleset::change::Change;
use crate::ruleset::flows;

/// Why connections go the longer way, through all rules. Nothing else follows from it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FlowsError {
    #[error("make the table of flows; all packets go through the rules")]
    Begin(#[source] RequestError),
    #[error("keep flows of the link {0}")]
    Add(String, #[source] RequestError),
}

/// The table.
#[derive(Debug, Default)]
pub(crate) enum Flows {
    /// No app has needed it: once it is there, the kernel looks through it every second.
    #[default]
    NotBegun,
    /// The kernel has no such table.
    Refused,
    /// It is there.
    Kept {
        /// The link to the outside that it sees.
        uplink: Option<u32>,
    },
}

impl Flows {
    /// An app has a network.
    pub(crate) fn join(&mut self, filter: &Socket, app: u8, uplink: Option<u32>) -> Result<(), FlowsError> {
        if matches!(self, Self::NotBegun) {
            *self = Self::Refused;
            filter.apply(flows::BEGIN).map_err(FlowsError::Begin)?;
            *self = Self::Kept { uplink: None };
        }
        if matches!(self, Self::Kept { .. }) {
            self.look_at_uplink(filter, uplink)?;
            add(filter, link_name(app))?;
        }
        Ok(())
    }

    /// The link to the outside may be another one.
    pub(crate) fn look_at_uplink(&mut self, filter: &Socket, found: Option<u32>) -> Result<(), FlowsError> {
        let Self::Kept { uplink } = self else { return Ok(()) };
        if std::mem::replace(uplink, found) != found && found.is_some() {
            add(filter, UPLINK.to_owned())?;
        }
        Ok(())
    }
}

fn add(filter: &Socket, link: String) -> Result<(), FlowsError> {
    let change: Change = flows::add(link.clone().into());
    filter.apply(&[change]).map_err(|cause| FlowsError::Add(link, cause))
}
