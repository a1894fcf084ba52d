//! GPIO lines as descriptors (`userspace-api/gpio/chardev.rst`, version 2 of the interface, linux/gpio.h).

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

/// `GPIO_MAX_NAME_SIZE`.
const NAME_BYTES: usize = 32;
/// `GPIO_V2_LINES_MAX`.
const LINES: usize = 64;
/// `GPIO_V2_LINE_NUM_ATTRS_MAX`.
const ATTRIBUTES: usize = 10;

/// `GPIO_V2_LINE_FLAG_*`.
const INPUT: u64 = 1 << 2;
const OUTPUT: u64 = 1 << 3;
const EDGE_RISING: u64 = 1 << 4;
const EDGE_FALLING: u64 = 1 << 5;

/// `GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES`.
const OUTPUT_VALUES: u32 = 2;

/// `struct gpiochip_info`.
#[repr(C)]
struct ChipInfo {
    name: [u8; NAME_BYTES],
    label: [u8; NAME_BYTES],
    lines: u32,
}

/// `struct gpio_v2_line_values`: one bit for each line of the request.
#[repr(C)]
struct Values {
    bits: u64,
    mask: u64,
}

/// `struct gpio_v2_line_config_attribute`, with its `struct gpio_v2_line_attribute`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Attribute {
    id: u32,
    padding: u32,
    value: u64,
    mask: u64,
}

/// `struct gpio_v2_line_request`, with its `struct gpio_v2_line_config`.
#[repr(C)]
struct LineRequest {
    offsets: [u32; LINES],
    consumer: [u8; NAME_BYTES],
    flags: u64,
    attributes: u32,
    config_padding: [u32; 5],
    attribute: [Attribute; ATTRIBUTES],
    lines: u32,
    event_buffer_size: u32,
    padding: [u32; 5],
    fd: i32,
}

const _: () = assert!(size_of::<ChipInfo>() == 68 && size_of::<Values>() == 16);
const _: () = assert!(size_of::<LineRequest>() == 592);

mod call {
    use super::{ChipInfo, LineRequest, Values};

    nix::ioctl_read!(chip_info, 0xb4, 0x01, ChipInfo);
    nix::ioctl_readwrite!(get_line, 0xb4, 0x07, LineRequest);
    nix::ioctl_readwrite!(get_values, 0xb4, 0x0e, Values);
    nix::ioctl_readwrite!(set_values, 0xb4, 0x0f, Values);
}

/// What a line is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Its value is read.
    Input,
    /// Its value is read, and each change of it from the descriptor.
    Edges,
    /// It is driven, at first with this value.
    Output(bool),
}

/// The label of a chip, which is open.
///
/// # Errors
/// `ENOTTY` if it is no GPIO chip.
pub fn chip_label(chip: impl AsFd) -> Result<Vec<u8>, Errno> {
    let mut info = ChipInfo { name: [0; NAME_BYTES], label: [0; NAME_BYTES], lines: 0 };
    // SAFETY: the kernel writes one `struct gpiochip_info` (GPIO_GET_CHIPINFO_IOCTL), which lives here.
    unsafe { call::chip_info(chip.as_fd().as_raw_fd(), &mut info) }?;
    Ok(info.label.into_iter().take_while(|byte| *byte != 0).collect())
}

/// Takes one line of a chip, and nobody else can until the descriptor is closed: it alone is needed to use the line,
/// and good for nothing else. `consumer` is shown to people; what is over 31 bytes is cut.
///
/// # Errors
/// `EBUSY` if somebody has the line, `EINVAL` if the chip has no such line or can't do this with it.
pub fn request_line(chip: impl AsFd, line: u32, mode: Mode, consumer: &str) -> Result<OwnedFd, Errno> {
    let empty = Attribute { id: 0, padding: 0, value: 0, mask: 0 };
    let mut request = LineRequest {
        offsets: [0; LINES],
        consumer: [0; NAME_BYTES],
        flags: match mode {
            Mode::Input => INPUT,
            Mode::Edges => INPUT | EDGE_RISING | EDGE_FALLING,
            Mode::Output(_) => OUTPUT,
        },
        attributes: 0,
        config_padding: [0; 5],
        attribute: [empty; ATTRIBUTES],
        lines: 1,
        event_buffer_size: 0,
        padding: [0; 5],
        fd: -1,
    };
    let [first, ..] = &mut request.offsets;
    *first = line;
    for (to, from) in request.consumer.iter_mut().take(NAME_BYTES - 1).zip(consumer.bytes()) {
        *to = from;
    }
    if mode == Mode::Output(true) {
        request.attributes = 1;
        let [first, ..] = &mut request.attribute;
        *first = Attribute { id: OUTPUT_VALUES, padding: 0, value: 1, mask: 1 };
    }
    // SAFETY: the kernel reads and writes one `struct gpio_v2_line_request` (GPIO_V2_GET_LINE_IOCTL), which lives here.
    unsafe { call::get_line(chip.as_fd().as_raw_fd(), &mut request) }?;
    // SAFETY: the kernel has just opened this descriptor for us (close-on-exec), and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(request.fd) })
}

/// The value of a line that was taken.
///
/// # Errors
/// `ENOTTY` if the descriptor is not that of a line.
pub fn value(line: impl AsFd) -> Result<bool, Errno> {
    let mut values = Values { bits: 0, mask: 1 };
    // SAFETY: the kernel reads and writes one `struct gpio_v2_line_values` (GPIO_V2_LINE_GET_VALUES_IOCTL).
    unsafe { call::get_values(line.as_fd().as_raw_fd(), &mut values) }?;
    Ok(values.bits & 1 == 1)
}

/// Drives a line that was taken as an output.
///
/// # Errors
/// `EPERM` if it is an input.
pub fn set_value(line: impl AsFd, value: bool) -> Result<(), Errno> {
    let mut values = Values { bits: u64::from(value), mask: 1 };
    // SAFETY: the kernel reads and writes one `struct gpio_v2_line_values` (GPIO_V2_LINE_SET_VALUES_IOCTL).
    unsafe { call::set_values(line.as_fd().as_raw_fd(), &mut values) }.map(drop)
}

/// Bytes of `struct gpio_v2_line_event`.
pub const EVENT_BYTES: usize = 48;

/// What a line with [`Mode::Edges`] gave to read: whether it became high. `None` if these bytes are no such event.
pub fn edge(event: &[u8; EVENT_BYTES]) -> Option<bool> {
    let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = *event;
    match u32::from_ne_bytes([a, b, c, d]) {
        1 => Some(true),
        2 => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn requests_have_the_kernels_numbers() {
        let numbers = [
            (nix::request_code_read!(0xb4, 0x01, size_of::<ChipInfo>()), 0x8044_b401_u32),
            (nix::request_code_readwrite!(0xb4, 0x07, size_of::<LineRequest>()), 0xc250_b407),
            (nix::request_code_readwrite!(0xb4, 0x0e, size_of::<Values>()), 0xc010_b40e),
            (nix::request_code_readwrite!(0xb4, 0x0f, size_of::<Values>()), 0xc010_b40f),
        ];
        for (ours, kernels) in numbers {
            #[allow(clippy::useless_conversion)] // An int in musl, an unsigned long in glibc.
            let ours = u64::try_from(ours).unwrap();
            assert_eq!(ours & 0xffff_ffff, u64::from(kernels));
        }
        assert_eq!(std::mem::offset_of!(LineRequest, flags), 288);
        assert_eq!(std::mem::offset_of!(LineRequest, lines), 560);
        assert_eq!(std::mem::offset_of!(LineRequest, fd), 588);
    }

    #[test]
    fn file_that_is_no_chip_is_refused() {
        let null = File::open("/dev/null").unwrap();
        assert_eq!(chip_label(&null), Err(Errno::ENOTTY));
        assert_eq!(request_line(&null, 0, Mode::Output(true), &"x".repeat(99)).unwrap_err(), Errno::ENOTTY);
        assert_eq!(value(&null), Err(Errno::ENOTTY));
        assert_eq!(set_value(&null, true), Err(Errno::ENOTTY));
    }

    #[test]
    fn event_is_an_edge_or_nothing() {
        let event = |id: u32| {
            let mut bytes = [0xff; EVENT_BYTES];
            bytes[8..12].copy_from_slice(&id.to_ne_bytes());
            edge(&bytes)
        };
        assert_eq!([event(1), event(2), event(0), event(3)], [Some(true), Some(false), None, None]);
    }
}
