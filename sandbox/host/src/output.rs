//! The app's output, byte for byte.

use std::io::{self, ErrorKind, PipeReader, Read, Write};

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    /// There may be more later.
    Open,
    /// Nothing comes any more, or nobody wants it.
    Ended,
}

/// Passes on what is there.
pub(crate) fn pass(from: &mut PipeReader, to: &mut dyn Write) -> io::Result<Passed> {
    let mut bytes = [0; 16 * 1024];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return Ok(Passed::Ended),
            Ok(length) => {
                let written = to.write_all(bytes.get(..length).unwrap_or_default());
                match written.and_then(|()| to.flush()) {
                    // `| head`: the app learns of it by SIGPIPE, once its pipe has no reader.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Passed::Ended),
                    done => done?,
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Passed::Open),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_passes_unchanged_to_its_end() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let bytes: Vec<u8> = (0..40_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        writer.write_all(&bytes).unwrap();
        drop(writer);
        let mut out = Vec::new();
        assert_eq!(pass(&mut reader, &mut out).unwrap(), Passed::Ended);
        assert_eq!(out, bytes);
    }

    #[test]
    fn output_that_nobody_reads_ends() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"x").unwrap();
        let (nobody, mut to) = io::pipe().unwrap();
        drop(nobody);
        assert_eq!(pass(&mut reader, &mut to).unwrap(), Passed::Ended);
    }
}
