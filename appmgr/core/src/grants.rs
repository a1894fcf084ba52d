//! What an app may ask the OS.

use nacre_manifest::component::ComponentId;
use nacre_manifest::device::{BoardDevices, DeviceKind, Devices, EventKind, Health, SystemGrant};
use nacre_wire::denial::Remedy;

use crate::claims::is_there;
use crate::denials::Refusal;
use crate::log_line::printable;

/// Checks that an app's manifest grants what it asks.
///
/// # Errors
/// What was denied, and which line of which manifest would allow it; the text is for
/// [`nacre_wire::app::Outcome::Denied`].
pub fn check(app: &ComponentId, granted: &[SystemGrant], asked: SystemGrant) -> Result<(), Refusal> {
    if granted.contains(&asked) {
        return Ok(());
    }
    let name = match asked {
        SystemGrant::Stats => "stats",
        SystemGrant::AppsStatus => "apps-status",
    };
    let remedy = Remedy::manifest(app.as_str(), "system", name);
    Err(Refusal { tried: format!("ask the OS for {name}"), remedy })
}

/// Checks that an app is given a device of the board. Its name comes from the app.
///
/// # Errors
/// As [`check`].
pub fn device(
    app: &ComponentId,
    granted: &Devices,
    board: &BoardDevices,
    kind: DeviceKind,
    name: &str,
) -> Result<(), Refusal> {
    if granted.of(kind).iter().any(|given| given == name) {
        return Ok(());
    }
    let remedy = if is_there(board, kind, name) {
        let field = match kind {
            DeviceKind::Gpio => "devices.gpio",
            DeviceKind::Uart => "devices.uart",
        };
        Remedy::manifest(app.as_str(), field, name)
    } else {
        Remedy::never("this board has none of that name")
    };
    Err(Refusal { tried: format!("take the {} {}", kind.noun(), printable(name.as_bytes())), remedy })
}

/// Checks that somebody waits for an app's heartbeats.
///
/// # Errors
/// As [`check`].
pub fn heartbeat(app: &ComponentId, health: Option<Health>) -> Result<(), Refusal> {
    match health {
        Some(_) => Ok(()),
        None => Err(Refusal {
            tried: "send a heartbeat".to_owned(),
            remedy: Remedy::manifest(app.as_str(), "health.heartbeat", "30s"),
        }),
    }
}

/// Checks that an app may be told of events.
///
/// # Errors
/// As [`check`].
pub fn events(app: &ComponentId, events: &[EventKind]) -> Result<(), Refusal> {
    if !events.is_empty() {
        return Ok(());
    }
    let remedy = Remedy::manifest(app.as_str(), "events", "shutdown");
    Err(Refusal { tried: "listen for events".to_owned(), remedy })
}

#[cfg(test)]
mod tests {
    use nacre_manifest::device::{GpioLine, Uart};

    use super::*;

    #[test]
    fn device_not_given_is_denied_with_the_line_or_as_not_there() {
        let app: ComponentId = "org.nacre.blinker".parse().unwrap();
        let line = |name: &str| GpioLine { name: name.into(), chip: "a".into(), line: 0 };
        let board = BoardDevices {
            gpio: vec![line("LED1"), line("LED2")],
            uart: vec![Uart { name: "modem".into(), tty: "ttyS0".into() }],
            simulated: vec![],
        };
        let granted = Devices { gpio: vec!["LED1".into()], uart: vec![] };
        let ask = |kind, name: &str| {
            device(&app, &granted, &board, kind, name).map_err(|refusal| refusal.to_string())
        };
        assert_eq!(ask(DeviceKind::Gpio, "LED1"), Ok(()));
        for (kind, name, said) in [
            (
                DeviceKind::Gpio,
                "LED2",
                "take the GPIO line LED2 — add \"LED2\" under devices.gpio in blinker/nacre.yaml",
            ),
            (
                DeviceKind::Uart,
                "modem",
                "take the UART modem — add \"modem\" under devices.uart in blinker/nacre.yaml",
            ),
            (
                DeviceKind::Uart,
                "LED1",
                "take the UART LED1 — never allowed: this board has none of that name",
            ),
            (
                DeviceKind::Gpio,
                "a\nb",
                "take the GPIO line a\\nb — never allowed: this board has none of that name",
            ),
        ] {
            assert_eq!(ask(kind, name), Err(said.to_owned()));
        }
    }

    #[test]
    fn heartbeat_and_events_without_their_fields_are_denied_with_the_lines() {
        let app: ComponentId = "org.nacre.blinker".parse().unwrap();
        assert_eq!(heartbeat(&app, Some(Health { heartbeat_ms: 1 })), Ok(()));
        let said = heartbeat(&app, None).unwrap_err().to_string();
        assert!(said.contains("health") && said.contains("30s"), "{said}");
        assert_eq!(events(&app, &[EventKind::Shutdown]), Ok(()));
        assert_eq!(
            events(&app, &[]).unwrap_err().to_string(),
            "listen for events — add \"shutdown\" under events in blinker/nacre.yaml"
        );
    }

    #[test]
    fn grant_missing_is_denied_with_the_line_that_allows_it() {
        let app = "org.nacre.recorder".parse().unwrap();
        assert_eq!(check(&app, &[SystemGrant::Stats], SystemGrant::Stats), Ok(()));
        let text = |granted: &[_], asked| check(&app, granted, asked).unwrap_err().to_string();
        assert_eq!(
            text(&[SystemGrant::AppsStatus], SystemGrant::Stats),
            "ask the OS for stats — add \"stats\" under system in recorder/nacre.yaml"
        );
        assert_eq!(
            text(&[], SystemGrant::AppsStatus),
            "ask the OS for apps-status — add \"apps-status\" under system in recorder/nacre.yaml"
        );
    }
}
