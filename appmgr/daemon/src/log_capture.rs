//! What an app writes to its standard output and error, line by line.

use std::collections::VecDeque;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd};

use nacre_appmgr_core::log_intake::Lines;

/// Bytes taken at once: others get their turn between.
const PIECE: usize = 1024;

/// Reads that empty a pipe: it holds a page.
pub(crate) const PIPE_PIECES: usize = 4;

/// Reads after a run's end before what is left is given up: the pipe holds a page, and nobody writes any more.
const LAST_PIECES: usize = 64;

/// Lines of them that are logged at most: the newest, with what the app said of its own end.
pub(crate) const LAST_LINES: usize = 32;

/// One pipe of an app.
#[derive(Debug)]
pub(crate) struct Capture {
    pipe: PipeReader,
    lines: Lines,
}

/// What one reading gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Captured {
    /// Bytes, and the lines that ended in them.
    Some { bytes: usize, lines: Vec<String> },
    /// Nothing is there now.
    Nothing,
    /// The app closed it.
    Closed,
}

impl Capture {
    /// Reads from this pipe.
    pub(crate) fn new(pipe: PipeReader) -> Self {
        Self { pipe, lines: Lines::default() }
    }

    /// Takes what is there, at most 1 KiB.
    pub(crate) fn read(&mut self) -> Captured {
        let mut piece = [0; PIECE];
        match self.pipe.read(&mut piece) {
            Ok(0) => Captured::Closed,
            Ok(bytes) => {
                let lines = self.lines.push(piece.get(..bytes).unwrap_or_default());
                Captured::Some { bytes, lines }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Captured::Nothing
            }
            Err(_) => Captured::Closed,
        }
    }

    /// Takes all that is left after the end of the run, with a last line that has no end; gives the newest lines,
    /// at most so many, and before them how many are left out.
    pub(crate) fn finish(mut self, most: usize) -> Vec<String> {
        let (mut last, mut left_out) = (VecDeque::new(), 0u32);
        let mut keep = |lines: Vec<String>| {
            for line in lines {
                last.push_back(line);
                if last.len() > most {
                    last.pop_front();
                    left_out += 1;
                }
            }
        };
        for _ in 0..LAST_PIECES {
            match self.read() {
                Captured::Some { lines, .. } => keep(lines),
                Captured::Nothing | Captured::Closed => break,
            }
        }
        keep(self.lines.finish().into_iter().collect());
        let note = (left_out > 0).then(|| format!("({left_out} lines before its end are left out)"));
        note.into_iter().chain(last).collect()
    }
}

impl AsFd for Capture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    use super::*;

    fn pipe() -> (Capture, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        (Capture::new(reader), writer)
    }

    #[test]
    fn capture_gives_lines_as_they_end() {
        let (mut capture, mut writer) = pipe();
        assert_eq!(capture.read(), Captured::Nothing);
        writer.write_all(b"one\ntw").unwrap();
        assert_eq!(capture.read(), Captured::Some { bytes: 6, lines: vec!["one".into()] });
        drop(writer);
        assert_eq!(capture.read(), Captured::Closed);
        assert_eq!(capture.finish(LAST_LINES), ["tw"]);
    }

    #[test]
    fn capture_at_the_end_gives_the_newest_lines() {
        let (capture, mut writer) = pipe();
        writer.write_all("x\n".repeat(4_000).as_bytes()).unwrap();
        writer.write_all(b"last words").unwrap();
        assert_eq!(capture.finish(2), ["(3999 lines before its end are left out)", "x", "last words"]);
        let (capture, mut writer) = pipe();
        writer.write_all(b"one\ntwo\n").unwrap();
        assert_eq!(capture.finish(0), ["(2 lines before its end are left out)"]);
    }
}
