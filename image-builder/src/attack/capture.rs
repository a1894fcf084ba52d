//! What passed the twin's network card, as QEMU wrote it down (pcap, <https://www.tcpdump.org/manpages/pcap-savefile.5.html>).

use std::path::Path;

/// Everything that passed.
#[derive(Debug, Default)]
pub(super) struct Capture {
    frames: Vec<Vec<u8>>,
}

impl Capture {
    /// Adds the files of a folder. One that ends early, as QEMU did, counts as far as it goes.
    pub(super) fn read(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|end| end == "pcap") {
                self.frames.extend(frames(&std::fs::read(entry.path()).unwrap_or_default()));
            }
        }
    }

    /// Whether a frame carries a token, or goes to the address that the token makes: 198.18 and its first two bytes.
    pub(super) fn has(&self, token: &str) -> bool {
        let byte = |at: usize| token.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let target = byte(0).zip(byte(2)).map(|(first, second)| [198, 18, first, second]);
        self.frames.iter().any(|frame| {
            frame.windows(token.len()).any(|bytes| bytes == token.as_bytes())
                || target.is_some_and(|target| frame.get(30..34) == Some(target.as_slice()))
        })
    }
}

/// The frames of a capture, in the byte order of this machine, which wrote it.
fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    const FILE_HEADER: usize = 24;
    const FRAME_HEADER: usize = 16;
    let mut frames = Vec::new();
    let mut rest = bytes.get(FILE_HEADER..).unwrap_or_default();
    while let Some((header, after)) = rest.split_at_checked(FRAME_HEADER) {
        let length = header.get(8..12).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes);
        let Some((frame, next)) =
            usize::try_from(length).ok().and_then(|length| after.split_at_checked(length))
        else {
            break;
        };
        frames.push(frame.to_vec());
        rest = next;
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; 24];
        for frame in frames {
            let length = u32::try_from(frame.len()).unwrap();
            bytes.extend([0; 8]);
            bytes.extend(length.to_ne_bytes());
            bytes.extend(length.to_ne_bytes());
            bytes.extend(*frame);
        }
        bytes
    }

    #[test]
    fn token_is_found_in_a_frame_and_in_an_address() {
        let mut addressed = vec![0; 54];
        addressed[30..34].copy_from_slice(&[198, 18, 0xab, 0xcd]);
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = file(&[b"..0123456789ab..", &addressed]);
        bytes.extend([0; 5]);
        std::fs::write(folder.path().join("0.pcap"), bytes).unwrap();
        let mut capture = Capture::default();
        capture.read(folder.path());
        assert!(capture.has("0123456789ab"));
        assert!(capture.has("abcd00000000"));
        assert!(!capture.has("ba9876543210"));
        assert!(!Capture::default().has("0123456789ab"));
    }

    #[test]
    fn capture_cut_anywhere_gives_whole_frames_only() {
        let bytes = file(&[b"one", b"three"]);
        for length in 0..bytes.len() {
            let found = frames(bytes.get(..length).unwrap());
            assert!(found.iter().all(|frame| frame == b"one"), "{length}");
        }
        assert_eq!(frames(&bytes).len(), 2);
    }
}
