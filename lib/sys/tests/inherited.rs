//! `inherited::take` claims numbers of the whole process, so it is tested in a process of its own, by
//! one test: any other could just have opened the number that is taken here.

use std::fs::File;
use std::io::{Read, pipe};
use std::os::fd::{IntoRawFd, OwnedFd};

use nacre_sys::inherited::{TakeInheritedError, take};
use nix::errno::Errno;

#[test]
fn number_is_taken_once_if_it_is_open_and_not_a_standard_stream() {
    assert!(matches!(take(1), Err(TakeInheritedError::OutOfRange(1))));
    assert!(matches!(take(-1), Err(TakeInheritedError::OutOfRange(-1))));

    assert!(matches!(take(31), Err(TakeInheritedError::NotOpen { number: 31, cause: Errno::EBADF })));
    assert!(matches!(take(31), Err(TakeInheritedError::Taken(31))));

    let (reader, writer) = pipe().unwrap();
    let number = writer.into_raw_fd();
    let taken = take(number).unwrap();
    assert!(matches!(take(number), Err(TakeInheritedError::Taken(_))));
    drop(taken);
    let mut rest = Vec::new();
    File::from(OwnedFd::from(reader)).read_to_end(&mut rest).unwrap();
    assert_eq!(rest, [], "the writing end is closed, so what was taken was its owner");
}
