//! The board's devices: opened here, and handed to the one app that is given each.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nacre_manifest::device::{GpioLine, SimulatedChip, Uart};
use nacre_sys::{gpio, tty};
use nacre_wire::app::{LineMode, Parity};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sys::termios::{
    BaudRate, ControlFlags, FlushArg, InputFlags, SetArg, cfmakeraw, cfsetspeed, tcflush, tcgetattr,
    tcsetattr,
};

/// Where the kernel takes orders for what it simulates (kernel: `filesystems/configfs.rst`).
const CONFIGFS: &str = "/sys/kernel/config";

/// GPIO chips that are looked at.
const MOST_CHIPS: u32 = 16;

/// Why an app does not get a device that it is given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenDeviceError {
    #[error("the chip {0} is not there")]
    NoChip(String),
    #[error("open {0}")]
    Open(String, #[source] io::Error),
    #[error("it is taken: this app has it already, or the kernel does")]
    Taken,
    #[error("take line {line} of {chip}")]
    Line { chip: String, line: u16, source: Errno },
    #[error("{0} bits per second are not among the usual ones from 1200 to 921600")]
    Baud(u32),
    #[error("set the serial port {0} up")]
    Serial(String, #[source] Errno),
}

/// Takes a GPIO line. Nobody else does until its descriptor is closed; this process keeps none.
pub(crate) fn open_line(line: &GpioLine, mode: LineMode, app: &str) -> Result<OwnedFd, OpenDeviceError> {
    let chip = find_chip(Path::new("/dev"), &line.chip)?;
    let mode = match mode {
        LineMode::Input => gpio::Mode::Input,
        LineMode::Edges => gpio::Mode::Edges,
        LineMode::OutputLow => gpio::Mode::Output(false),
        LineMode::OutputHigh => gpio::Mode::Output(true),
    };
    gpio::request_line(&chip, line.line.into(), mode, app).map_err(|source| match source {
        Errno::EBUSY => OpenDeviceError::Taken,
        source => OpenDeviceError::Line { chip: line.chip.clone(), line: line.line, source },
    })
}

/// Chips have numbers in the order in which they were found, so that only the label says which one it is.
fn find_chip(dev: &Path, label: &str) -> Result<File, OpenDeviceError> {
    for number in 0..MOST_CHIPS {
        let path = dev.join(format!("gpiochip{number}"));
        match File::open(&path) {
            Ok(chip) if gpio::chip_label(&chip).is_ok_and(|found| found == label.as_bytes()) => {
                return Ok(chip);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(OpenDeviceError::Open(path.display().to_string(), error)),
        }
    }
    Err(OpenDeviceError::NoChip(label.to_owned()))
}

/// Opens a serial port: raw, 8 bits, exclusive.
pub(crate) fn open_uart(uart: &Uart, baud: u32, parity: Parity) -> Result<OwnedFd, OpenDeviceError> {
    let rate = baud_rate(baud).ok_or(OpenDeviceError::Baud(baud))?;
    // Without waiting for a carrier, and not as this process's own terminal.
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags((OFlag::O_NOCTTY | OFlag::O_NONBLOCK).bits());
    let port = options
        .open(Path::new("/dev").join(&uart.tty))
        .map_err(|source| OpenDeviceError::Open(uart.tty.clone(), source))?;
    set_up(&port, rate, parity).map_err(|source| OpenDeviceError::Serial(uart.tty.clone(), source))?;
    Ok(port.into())
}

fn set_up(port: impl AsFd + Copy, rate: BaudRate, parity: Parity) -> Result<(), Errno> {
    tty::set_exclusive(port)?;
    match tty::drop_unsent_on_close(port) {
        // No serial port, and nothing that waits when it is closed.
        Err(Errno::ENOTTY) => {}
        other => other?,
    }
    let mut settings = tcgetattr(port)?;
    cfmakeraw(&mut settings);
    settings.control_flags |= ControlFlags::CREAD | ControlFlags::CLOCAL;
    settings.control_flags &= !(ControlFlags::CSTOPB | ControlFlags::CRTSCTS);
    if parity != Parity::None {
        settings.control_flags |= ControlFlags::PARENB;
        settings.input_flags |= InputFlags::INPCK;
    }
    settings.control_flags.set(ControlFlags::PARODD, parity == Parity::Odd);
    cfsetspeed(&mut settings, rate)?;
    tcsetattr(port, SetArg::TCSANOW, &settings)?;
    // What came for somebody else.
    tcflush(port, FlushArg::TCIOFLUSH)?;
    // Waiting or not is for the app to say.
    fcntl(port, FcntlArg::F_SETFL(OFlag::empty())).map(drop)
}

fn baud_rate(baud: u32) -> Option<BaudRate> {
    Some(match baud {
        1_200 => BaudRate::B1200,
        2_400 => BaudRate::B2400,
        4_800 => BaudRate::B4800,
        9_600 => BaudRate::B9600,
        19_200 => BaudRate::B19200,
        38_400 => BaudRate::B38400,
        57_600 => BaudRate::B57600,
        115_200 => BaudRate::B115200,
        230_400 => BaudRate::B230400,
        460_800 => BaudRate::B460800,
        921_600 => BaudRate::B921600,
        _ => return None,
    })
}

/// Has the kernel make a chip (`admin-guide/gpio/gpio-sim.rst`), unless an earlier app manager did.
pub(crate) fn simulate(chips: &[SimulatedChip]) -> io::Result<()> {
    let simulator = Path::new(CONFIGFS).join("gpio-sim");
    if !chips.is_empty() && !simulator.exists() {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("configfs"), CONFIGFS, Some("configfs"), flags, None::<&str>)?;
    }
    for chip in chips {
        let device = simulator.join(&chip.label);
        if device.exists() {
            continue;
        }
        let bank = device.join("bank0");
        fs::create_dir(&device)?;
        fs::create_dir(&bank)?;
        fs::write(bank.join("num_lines"), chip.lines.to_string())?;
        fs::write(bank.join("label"), &chip.label)?;
        fs::write(device.join("live"), "1")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nix::pty::openpty;

    use super::*;

    #[test]
    fn serial_port_is_raw_exclusive_and_as_asked() {
        let pair = openpty(None, None).unwrap();
        set_up(pair.slave.as_fd(), BaudRate::B9600, Parity::Odd).unwrap();
        let settings = tcgetattr(&pair.slave).unwrap();
        assert!(!settings.local_flags.contains(nix::sys::termios::LocalFlags::ICANON));
        assert_eq!(nix::sys::termios::cfgetospeed(&settings), BaudRate::B9600);
        assert!(settings.control_flags.contains(ControlFlags::PARODD | ControlFlags::CLOCAL));
        let null = File::open("/dev/null").unwrap();
        assert_eq!(set_up(null.as_fd(), BaudRate::B9600, Parity::None), Err(Errno::ENOTTY));
        assert!(matches!(
            open_uart(&Uart { name: "x".into(), tty: "null".into() }, 9600, Parity::None),
            Err(OpenDeviceError::Serial(..))
        ));
    }

    #[test]
    fn device_that_is_not_there_is_said_by_name() {
        let uart = Uart { name: "x".into(), tty: "no-such-tty".into() };
        for (baud, said) in [(9_601, "9601 bits per second"), (9_600, "open no-such-tty")] {
            let error = open_uart(&uart, baud, Parity::None).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("gpiochip3"), "").unwrap();
        let error = find_chip(dir.path(), "gpio-sim").unwrap_err();
        assert_eq!(error.to_string(), "the chip gpio-sim is not there");
        simulate(&[]).unwrap();
    }
}
