//! Which app has which device of the board.

use nacre_manifest::component::ComponentId;
use nacre_manifest::device::{BoardDevices, DeviceKind, Devices};

/// The devices that apps were given: each has one owner, whatever the packages say. The build checks an image's own
/// apps, but packages may be signed apart from each other.
#[derive(Debug, Default)]
pub struct Claims {
    owners: Vec<(DeviceKind, String, ComponentId)>,
}

impl Claims {
    /// Whether the board has all of these devices, and no app but this one has them.
    ///
    /// # Errors
    /// In words: the first of them that is not.
    pub fn check(&self, app: &ComponentId, devices: &Devices, board: &BoardDevices) -> Result<(), String> {
        for kind in DeviceKind::ALL {
            for name in devices.of(kind) {
                let noun = kind.noun();
                if !is_there(board, kind, name) {
                    return Err(format!("it wants the {noun} {name}, and this board has none of that name"));
                }
                let taken = self
                    .owners
                    .iter()
                    .find(|(of, other, owner)| *of == kind && other == name && owner != app);
                if let Some((.., owner)) = taken {
                    return Err(format!("it wants the {noun} {name}, and {owner} has it"));
                }
            }
        }
        Ok(())
    }

    /// Takes everything away from an app.
    pub fn take(&mut self, app: &ComponentId) {
        self.owners.retain(|(.., owner)| owner != app);
    }

    /// Gives them to an app.
    pub fn give(&mut self, devices: &Devices, app: &ComponentId) {
        for kind in DeviceKind::ALL {
            self.owners.extend(devices.of(kind).iter().map(|name| (kind, name.clone(), app.clone())));
        }
    }
}

/// Whether the board has such a device.
pub(crate) fn is_there(board: &BoardDevices, kind: DeviceKind, name: &str) -> bool {
    match kind {
        DeviceKind::Gpio => board.gpio.iter().any(|line| line.name == name),
        DeviceKind::Uart => board.uart.iter().any(|uart| uart.name == name),
    }
}

#[cfg(test)]
mod tests {
    use nacre_manifest::device::{GpioLine, Uart};

    use super::*;

    #[test]
    fn device_of_another_app_or_of_no_board_is_refused_with_its_name() {
        let line = |name: &str| GpioLine { name: name.into(), chip: "a".into(), line: 0 };
        let board = BoardDevices {
            gpio: vec![line("LED1"), line("X")],
            uart: vec![Uart { name: "X".into(), tty: "ttyS0".into() }],
            simulated: vec![],
        };
        let devices = |gpio: &[&str], uart: &[&str]| Devices {
            gpio: gpio.iter().map(|name| (*name).to_owned()).collect(),
            uart: uart.iter().map(|name| (*name).to_owned()).collect(),
        };
        let mut claims = Claims::default();
        claims.give(&devices(&["LED1", "X"], &[]), &"org.nacre.a".parse().unwrap());
        let other = "org.nacre.b".parse().unwrap();
        assert_eq!(claims.check(&other, &devices(&[], &["X"]), &board), Ok(()), "another kind");
        assert_eq!(
            claims.check(&other, &devices(&["X"], &["X"]), &board),
            Err("it wants the GPIO line X, and org.nacre.a has it".into())
        );
        assert_eq!(
            claims.check(&other, &devices(&[], &["LED1"]), &board),
            Err("it wants the UART LED1, and this board has none of that name".into())
        );
        let owner = "org.nacre.a".parse().unwrap();
        assert_eq!(claims.check(&owner, &devices(&["X"], &[]), &board), Ok(()), "its own");
        claims.take(&owner);
        assert_eq!(claims.check(&other, &devices(&["X", "LED1"], &[]), &board), Ok(()), "given back");
    }
}
