//! Where the device's serial ports for apps lead to.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nacre_diag::did_you_mean;
use nacre_manifest::board::Board;

/// Longest path of a unix socket, in bytes (`unix(7)`).
const MAX_SOCKET_PATH: usize = 107;

/// A serial port of the board, and what is at its other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UartPlug {
    /// The board's name for it.
    pub name: String,
    /// What it leads to.
    pub end: UartEnd,
}

/// The other end of a serial port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UartEnd {
    /// A unix socket that is made here, for one program at a time.
    Socket(PathBuf),
    /// A file that what the device sends is added to.
    File(PathBuf),
}

/// Why a serial port leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlugUartError {
    /// The board has none of this name.
    #[error("the board has no serial port `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// What to do.
        hint: String,
    },
    /// It is there twice.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// Something else is where the socket is to be made.
    #[error("`{0}` is there already, and is no socket")]
    Occupied(PathBuf),
    /// No socket can be made there.
    #[error("`{0}` is too long for a socket: at most {MAX_SOCKET_PATH} bytes")]
    TooLong(PathBuf),
}

impl FromStr for UartPlug {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write it like console2=/tmp/uart.sock, or console2=file:log.txt";
        let (name, path) = text.split_once('=').ok_or(FORM)?;
        let (end, path): (fn(PathBuf) -> UartEnd, _) = match path.strip_prefix("file:") {
            Some(path) => (UartEnd::File, path),
            None => (UartEnd::Socket, path),
        };
        if name.is_empty() || path.is_empty() {
            return Err(FORM.to_owned());
        }
        let path = std::path::absolute(path).map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), end: end(path) })
    }
}

/// Checks that a board has these ports, and that their ends can be made.
///
/// # Errors
/// The first that can't.
pub fn check_uarts(plugs: &[UartPlug], board: &Board) -> Result<(), PlugUartError> {
    for (index, plug) in plugs.iter().enumerate() {
        if !board.qemu.uart_devices.contains_key(&plug.name) {
            let known: Vec<&str> = board.qemu.uart_devices.keys().map(String::as_str).collect();
            let hint = match did_you_mean(&plug.name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => {
                    "name it under `devices.uart`, with its `qemu-device`, and build".to_owned()
                }
                None => format!("it has: {}", known.join(", ")),
            };
            return Err(PlugUartError::Unknown { name: plug.name.clone(), hint });
        }
        if plugs.iter().take(index).any(|other| other.name == plug.name) {
            return Err(PlugUartError::Twice(plug.name.clone()));
        }
        if let UartEnd::Socket(path) = &plug.end {
            check_socket(path)?;
        }
    }
    Ok(())
}

/// QEMU removes what is where it makes a socket.
fn check_socket(path: &Path) -> Result<(), PlugUartError> {
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(PlugUartError::TooLong(path.to_owned()));
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(PlugUartError::Occupied(path.to_owned())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plug_is_read_with_its_kind_of_end() {
        let plug = |text: &str| text.parse::<UartPlug>().map(|plug| plug.end);
        assert_eq!(plug("console2=/tmp/s"), Ok(UartEnd::Socket("/tmp/s".into())));
        assert_eq!(plug("console2=file:/tmp/a=b"), Ok(UartEnd::File("/tmp/a=b".into())));
        assert!(matches!(plug("console2=s"), Ok(UartEnd::Socket(path)) if path.is_absolute()));
        for text in ["", "console2", "=x", "console2=", "console2=file:"] {
            assert!(plug(text).unwrap_err().contains("console2="), "{text}");
        }
    }

    #[test]
    fn plug_that_leads_nowhere_or_over_a_file_is_refused() {
        let mut board = nacre_manifest::board::parse(crate::run::tests::BOARD, "board.yaml").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let plug =
            |name: &str, path: &Path| UartPlug { name: name.into(), end: UartEnd::Socket(path.into()) };
        let good = plug("console2", &dir.path().join("s"));
        let unknown = check_uarts(std::slice::from_ref(&good), &board).unwrap_err();
        assert!(matches!(unknown, PlugUartError::Unknown { hint, .. } if hint.contains("qemu-device")));
        board.qemu.uart_devices.insert("console2".into(), "isa-serial".into());
        assert_eq!(check_uarts(std::slice::from_ref(&good), &board), Ok(()));
        let near = check_uarts(&[plug("console", &file)], &board).unwrap_err();
        assert!(matches!(near, PlugUartError::Unknown { hint, .. } if hint == "did you mean `console2`?"));
        assert_eq!(check_uarts(&[good.clone(), good], &board), Err(PlugUartError::Twice("console2".into())));
        assert_eq!(check_uarts(&[plug("console2", &file)], &board), Err(PlugUartError::Occupied(file)));
        let long = dir.path().join("s".repeat(108));
        assert_eq!(check_uarts(&[plug("console2", &long)], &board), Err(PlugUartError::TooLong(long)));
    }
}
