//! What a manifest asks for and the app's files don't seem to use.
//!
//! Only what can be told from the bytes: a name that an app must say to use a thing (`/data`, `/run/nacre`, a GPIO line,
//! a host) and that occurs nowhere in its files and arguments. Which system calls a program makes can't be told so: their
//! numbers are common bytes. A name that is put together at run time, or that somebody tells the app, is not seen, so
//! each finding says what was looked at and is a warning.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use nacre_diag::{Diagnostic, Place, Report};
use nacre_manifest::app::AppSource;
use nacre_manifest::device::{DeviceKind, Host};

use crate::build::newest_change;
use crate::inspect::check::Verdict;
use crate::package_file::files;
use crate::package_file::known_keys::KnownKeys;
use crate::package_file::open::PackageFile;

/// The way to everything that is asked of the OS.
const SOCKET: &str = "/run/nacre";

/// Where an app's storage is.
const DATA: &str = "/data";

/// The shortest name that is looked for: shorter ones occur by chance, or are spread over instructions.
const LEAST_NAME: usize = 4;

/// Looks at the files of an app; `of` names them in the findings.
pub fn find<'f>(app: &'f AppSource, files: impl Iterator<Item = &'f [u8]>, of: &str) -> Report {
    let texts: Vec<Text> = files.chain(app.manifest.run.iter().map(String::as_bytes)).map(Text::of).collect();
    let says = |name: &str| texts.iter().any(|text| text.says(name));
    let manifest = &app.manifest;
    let mut report = Report::new();
    let mut add = |field: &str, name: &str, place: &Place| {
        let what = format!("`{field}` is probably not used: nothing in the app says `{name}`");
        report.push(
            Diagnostic::warning(what)
                .at(place.clone())
                .with_cause(format!(
                    "looked for it in the files of {of} and in `run`; a name that is put together at run time is not seen"
                ))
                .with_hint("if the app really doesn't need it, remove it: what is not granted can't be misused"),
        );
    };
    if manifest.data_bytes > 0 && !says(DATA) {
        add("storage.data", DATA, &app.places.data);
    }
    if says(SOCKET) {
        for kind in DeviceKind::ALL {
            for (name, place) in manifest.devices.of(kind).iter().zip(app.places.devices.of(kind)) {
                if name.len() >= LEAST_NAME && !says(name) {
                    add(&format!("devices.{}", kind.field()), name, place);
                }
            }
        }
    } else {
        let devices = DeviceKind::ALL.into_iter().find_map(|kind| app.places.devices.of(kind).first());
        let asked = [
            ("system", (!manifest.system.is_empty()).then_some(&app.places.system)),
            ("apps", app.places.peers.first()),
            ("devices", devices),
            ("events", (!manifest.events.is_empty()).then_some(&app.places.events)),
            ("health", manifest.health.map(|_| &app.places.health)),
        ];
        for (field, place) in asked {
            if let Some(place) = place {
                add(field, SOCKET, place);
            }
        }
    }
    let network = manifest.network.iter();
    for (remote, place) in network.flat_map(|network| network.connect.iter().zip(&app.places.connect)) {
        if let Host::Name(name) = &remote.host
            && name.len() >= LEAST_NAME
            && !says(name)
        {
            add("network.connect", name, place);
        }
    }
    report
}

/// What a package says of the sources that it was made of.
#[derive(Debug)]
pub struct Looked {
    /// Its size.
    pub bytes: u64,
    /// What isn't used.
    pub unused: Report,
}

/// Looks at a package, if it was built after the last change in the app's folder and is one that a key of this user
/// signed: an older one says nothing of the sources, and of another one no file is unpacked.
pub fn look_at(app: &AppSource, path: &Path) -> Option<Looked> {
    let built = fs::metadata(path).ok()?;
    if !fresh(built.modified().ok()?, newest_change(&app.folder)?) {
        return None;
    }
    let package = PackageFile::read(path).ok()?;
    let verified = matches!(KnownKeys::load(None).ok()?.judge(&package.bytes), Verdict::Package(_));
    let tree = files::read(&package.image, verified).ok()?;
    let contents = tree.values().map(|entry| entry.content.as_slice());
    Some(Looked { bytes: built.len(), unused: find(app, contents, &path.display().to_string()) })
}

/// In the same moment either could have been first.
fn fresh(built: SystemTime, changed: SystemTime) -> bool {
    built > changed
}

/// Bytes in which names are looked for.
struct Text<'a> {
    bytes: &'a [u8],
    /// Which numbers of 16 bits ARM instructions could load (`movw`, `movt`): there a compiler puts short texts.
    loaded: Vec<bool>,
}

impl<'a> Text<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let mut loaded = vec![false; 1 << 16];
        let halves: Vec<u16> =
            bytes.chunks_exact(2).map(|half| u16::from_le_bytes([half[0], half[1]])).collect();
        for pair in halves.windows(2) {
            let (first, second) = (u32::from(pair[0]), u32::from(pair[1]));
            // Thumb-2, encoding T3 (ARM DDI 0406C, A8.8.102 and A8.8.106): `movt` differs in one bit.
            if first & 0xfb70 == 0xf240 && second & 0x8000 == 0 {
                let number =
                    (first & 0xf) << 12 | (first & 0x400) << 1 | (second & 0x7000) >> 4 | second & 0xff;
                loaded[number as usize] = true;
            }
            // ARM, encoding A2, in whole words.
            let word = second << 16 | first;
            if word & 0x0fb0_0000 == 0x0300_0000 {
                loaded[((word >> 4) & 0xf000 | word & 0xfff) as usize] = true;
            }
        }
        Self { bytes, loaded }
    }

    /// Whether the name is in it: as it is, in pieces of four that follow each other closely (as instructions of x86 or a
    /// pool of constants hold them), or its first two characters in an instruction of ARM.
    fn says(&self, name: &str) -> bool {
        let name = name.as_bytes();
        let first = name.first_chunk::<2>().map(|pair| usize::from(u16::from_le_bytes(*pair)));
        let start = &name[..name.len().min(4)];
        let starts = self.bytes.windows(start.len()).enumerate().filter(|(_, window)| *window == start);
        starts.map(|(at, _)| at + start.len()).any(|at| self.goes_on(at, &name[start.len()..]))
            || first.is_some_and(|first| self.loaded.get(first).copied().unwrap_or_default())
    }

    /// Whether the pieces of a name follow behind `at`.
    fn goes_on(&self, at: usize, rest: &[u8]) -> bool {
        rest.chunks(4)
            .try_fold(at, |at, piece| {
                let near = self.bytes.get(at..self.bytes.len().min(at + NEAR + piece.len()))?;
                near.windows(piece.len()).position(|window| window == piece).map(|gap| at + gap + piece.len())
            })
            .is_some()
    }
}

/// Bytes between two pieces of a name: an instruction of x86 up to what it holds.
const NEAR: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "\
app: org.example.tool
version: 1.0.0
build: none
run: [/app/bin/tool, --lamp, LAMP1]
files: { /app/bin/tool: tool }
storage: { data: 64KiB }
network: { connect: [\"tcp:api.example.com:443\", \"udp:192.0.2.1:9\"] }
system: [stats]
devices: { gpio: [LAMP1, LAMP2], uart: [tty] }
health: { heartbeat: 30s }
";

    fn fields(content: &[u8]) -> Vec<String> {
        let app = nacre_manifest::app::parse(MANIFEST, "nacre.yaml").unwrap();
        let report = find(&app, [content].into_iter(), "the package");
        let word = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
        report.entries().iter().map(|found| word(&found.message)).collect()
    }

    #[test]
    fn field_that_nothing_in_the_app_names_is_told() {
        assert_eq!(fields(b"\x7fELF"), ["storage.data", "system", "devices", "health", "network.connect"]);
        // An address may be made of numbers, a short name occurs by chance, and an argument is a use.
        let most = b"open /data/x and /run/nacre for api.example.com";
        assert_eq!(fields(most), ["devices.gpio"]);
        assert_eq!(fields(&[most.as_slice(), b"LAMP2"].concat()), [""; 0]);
    }

    #[test]
    fn name_that_a_compiler_spread_over_instructions_is_found() {
        // movabs $"/data\0\0\0", %rax; movl $"/run", (%rdi); movl $"/nac", 4(%rdi); movw $"re", 8(%rdi)
        let x86 = b"\x48\xb8/data\0\0\0\xc7\x07/run\xc7\x47\x04/nac\x66\xc7\x47\x08re";
        // movw r0, #0x642f ("/d"), in Thumb and in ARM
        let (thumb, arm) = (b"\x46\xf2\x2f\x40", b"\x2f\x04\x06\xe3");
        assert!(Text::of(x86).says(DATA) && Text::of(x86).says(SOCKET));
        assert!(Text::of(thumb).says(DATA) && Text::of(arm).says(DATA));
        for other in [x86.as_slice(), thumb, arm] {
            assert!(!Text::of(other).says("LAMP1"));
        }
        assert!(!Text::of(thumb).says(SOCKET) && !Text::of(b"").says(DATA));
    }
}
