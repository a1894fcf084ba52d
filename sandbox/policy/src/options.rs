//! What a filter is made with.

use crate::call::Grant;

/// What an app's filter is made with. The default is every group, nothing that a manifest grants, and errors.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Names of the groups whose calls are denied as well.
    pub without: &'a [&'a str],
    /// The app's network.
    pub network: Network,
    /// Whether it has GPIO lines.
    pub gpio: bool,
    /// Whether it has UARTs.
    pub uart: bool,
    /// Whether its memory may be writable and executable.
    pub writable_executable: bool,
    /// What becomes of a denied call.
    pub denials: Denials,
}

/// Whether an app has a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// It makes unix sockets only.
    #[default]
    Absent,
    /// It makes TCP and UDP sockets of IPv4 as well.
    Present,
}

/// What becomes of a denied call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Denials {
    /// The kernel answers `EPERM`, and nobody learns of it.
    #[default]
    Error,
    /// appmgr is told, and answers.
    Notify,
    /// As [`Denials::Notify`]; of the calls in [`crate::WATCHED`] appmgr is told too, in order to explain what
    /// Landlock and the mounts will deny. For development images.
    NotifyAndWatch,
}

impl Options<'_> {
    pub(crate) fn grants(&self, grant: Grant) -> bool {
        match grant {
            Grant::Network => self.network == Network::Present,
            Grant::Gpio => self.gpio,
            Grant::Uart => self.uart,
            Grant::WritableExecutable => self.writable_executable,
        }
    }
}
