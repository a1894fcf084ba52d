//! A serial port for one (ioctl_tty(2)).

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, c_uint, c_ulong, c_ushort, c_void};
use nix::errno::Errno;

mod call {
    nix::ioctl_none_bad!(exclusive, nix::libc::TIOCEXCL);
    nix::ioctl_read_bad!(get_serial, nix::libc::TIOCGSERIAL, super::SerialStruct);
    nix::ioctl_write_ptr_bad!(set_serial, nix::libc::TIOCSSERIAL, super::SerialStruct);
}

/// `struct serial_struct` (include/uapi/linux/serial.h).
#[repr(C)]
struct SerialStruct {
    kind: c_int,
    line: c_int,
    port: c_uint,
    irq: c_int,
    flags: c_int,
    xmit_fifo_size: c_int,
    custom_divisor: c_int,
    baud_base: c_int,
    close_delay: c_ushort,
    io_type: u8,
    reserved: u8,
    hub6: c_int,
    closing_wait: c_ushort,
    closing_wait2: c_ushort,
    iomem_base: *mut c_void,
    iomem_reg_shift: c_ushort,
    port_high: c_uint,
    iomap_base: c_ulong,
}

/// `ASYNC_CLOSING_WAIT_NONE`
const NO_CLOSING_WAIT: c_ushort = 65_535;

/// Lets go of a serial port at once when it is closed: what was not sent by then is dropped. Else whoever closes it
/// last, and who opens it meanwhile, waits up to 30 s for a line that is slow or held. Who wants all of it sent
/// waits before (tcdrain(3)).
///
/// # Errors
/// `ENOTTY` if it is no terminal, or one that is no serial port.
pub fn drop_unsent_on_close(port: impl AsFd) -> Result<(), Errno> {
    let mut serial = MaybeUninit::<SerialStruct>::zeroed();
    // SAFETY: TIOCGSERIAL fills one structure of that size.
    unsafe { call::get_serial(port.as_fd().as_raw_fd(), serial.as_mut_ptr()) }?;
    // SAFETY: it was zeroed and then filled, and every pattern of bits is good for each of its fields.
    let mut serial = unsafe { serial.assume_init() };
    serial.closing_wait = NO_CLOSING_WAIT;
    // SAFETY: TIOCSSERIAL reads one structure of that size, which lives for the whole call.
    unsafe { call::set_serial(port.as_fd().as_raw_fd(), &raw const serial) }.map(drop)
}

/// Puts a terminal into exclusive mode: until the last descriptor of it is closed, nobody opens it again, but who has
/// CAP_SYS_ADMIN.
///
/// # Errors
/// `ENOTTY` if it is no terminal.
pub fn set_exclusive(terminal: impl AsFd) -> Result<(), Errno> {
    // SAFETY: TIOCEXCL takes no argument.
    unsafe { call::exclusive(terminal.as_fd().as_raw_fd()) }.map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn terminal_alone_becomes_exclusive() {
        let terminal = nix::pty::openpty(None, None).unwrap();
        assert_eq!(set_exclusive(&terminal.slave), Ok(()));
        assert_eq!(set_exclusive(File::open("/dev/null").unwrap()), Err(Errno::ENOTTY));
    }

    #[test]
    fn terminal_that_is_no_serial_port_has_no_closing_wait() {
        let terminal = nix::pty::openpty(None, None).unwrap();
        assert_eq!(drop_unsent_on_close(&terminal.slave), Err(Errno::ENOTTY));
    }
}
