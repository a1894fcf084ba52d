//! What the witness says on the twin's console.

use std::collections::BTreeMap;
use std::io::{self, Write};

use regex::Regex;

/// How an attack ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It reached its goal.
    Won,
    /// It didn't; with how it ended.
    Stopped(String),
    /// Something may have left the device with this in it.
    Sent(String, String),
    /// It could not be tried; with the reason.
    NotTried(String),
}

/// Takes the console's bytes and finds the verdicts in them.
pub(super) struct Console<'a> {
    pattern: Regex,
    line: Vec<u8>,
    /// By attack.
    pub(super) verdicts: BTreeMap<String, Verdict>,
    /// Everything else, for what only a person understands.
    pub(super) transcript: Vec<String>,
    told: &'a mut dyn FnMut(&str),
}

impl<'a> Console<'a> {
    /// `told` is called with the name of each attack that has a verdict.
    pub(super) fn new(told: &'a mut dyn FnMut(&str)) -> Self {
        let pattern = Regex::new(
            r"\] witness: attack ([a-z0-9-]+): (won|stopped|sent|not tried|unknown)(?: ([0-9a-f]{12}))?(?: \((.*)\))?$",
        );
        let Ok(pattern) = pattern else { unreachable!("the pattern is constant and tested") };
        Self { pattern, line: Vec::new(), verdicts: BTreeMap::new(), transcript: Vec::new(), told }
    }

    fn take(&mut self, line: &str) {
        if let Some(found) = self.pattern.captures(line) {
            let part = |at| found.get(at).map_or("", |found| found.as_str()).to_owned();
            let verdict = match &found[2] {
                "won" => Verdict::Won,
                "stopped" => Verdict::Stopped(part(4)),
                "sent" => Verdict::Sent(part(3), part(4)),
                _ => Verdict::NotTried(part(4)),
            };
            self.verdicts.insert(part(1), verdict);
            (self.told)(&found[1]);
        }
        self.transcript.push(line.to_owned());
    }
}

impl Write for Console<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
                self.take(&line);
            } else {
                self.line.push(byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_found_among_other_lines_and_only_from_the_witness() {
        let mut told = Vec::new();
        let mut tell = |name: &str| told.push(name.to_owned());
        let mut console = Console::new(&mut tell);
        let text = "[    3.100] witness: attack a-1: won (120 ms)\n\
                    [    3.200] attacker: attack b: won (1 ms)\nnoise\n\
                    [    3.300] witness: attack c: stopped (EPERM, 12 ms)\n\
                    [    3.400] witness: attack d: sent 0123456789ab (it did what it could, 9 ms)\n\
                    [    3.500] witness: attack e: not tried (no victim)\n";
        console.write_all(text.as_bytes()).unwrap();
        let verdicts = console.verdicts.clone();
        assert_eq!(verdicts.len(), 4);
        assert_eq!(verdicts["a-1"], Verdict::Won);
        assert_eq!(verdicts["c"], Verdict::Stopped("EPERM, 12 ms".into()));
        assert_eq!(verdicts["d"], Verdict::Sent("0123456789ab".into(), "it did what it could, 9 ms".into()));
        assert_eq!(verdicts["e"], Verdict::NotTried("no victim".into()));
        assert_eq!(console.transcript.len(), 6);
        drop(console);
        assert_eq!(told, ["a-1", "c", "d", "e"]);
    }
}
