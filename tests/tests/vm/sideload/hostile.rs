//! Packages that are no good, said to the device by who speaks its protocol: the host's own checks are not in the way.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nacre_tests::image::Board;
use nacre_tests::steps::Steps;
use nacre_tests::vm::Vm;
use nacre_wire::channel::{Answer, Command, MAX_PIECE, Request, Response, VERSION};
use nacre_wire::frame::{self, FrameReader};
use nacre_wire::message;

use super::packages::Packages;
use super::{App, PLAIN, refused, row, states};

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a package is not that large")
}

struct Peer {
    stream: UnixStream,
    frames: FrameReader,
    id: u32,
}

impl Peer {
    fn ask(&mut self, command: Command) -> Answer {
        self.id += 1;
        let request = Request { version: VERSION, session: 77, id: self.id, command };
        let frame = frame::encode(&message::encode(&request).expect("in bounds")).expect("in bounds");
        self.stream.write_all(&frame).expect("the VM runs");
        let mut piece = [0; 4096];
        loop {
            let count = self.stream.read(&mut piece).expect("the device answers");
            assert!(count > 0, "the VM runs");
            for payload in self.frames.push(&piece[..count]).flatten() {
                let response: Response = message::decode(&payload).expect("a response");
                if (response.session, response.id) == (77, self.id) {
                    return response.answer;
                }
            }
        }
    }

    /// Sends two members as they are; the first answer that is not `Done`, or the last one.
    fn install(&mut self, manifest: &[u8], image: &[u8]) -> Answer {
        let lengths = (length(manifest), length(image));
        let mut answer = self.ask(Command::Install { manifest_bytes: lengths.0, image_bytes: lengths.1 });
        let mut offset = 0;
        for piece in manifest.chunks(MAX_PIECE).chain(image.chunks(MAX_PIECE)) {
            if answer != Answer::Done {
                return answer;
            }
            answer = self.ask(Command::Piece { offset, bytes: piece.to_vec() });
            offset += length(piece);
        }
        if answer == Answer::Done { self.ask(Command::Commit) } else { answer }
    }
}

fn package_that_is_no_good_leaves_the_old_one_running(board: Board) {
    let image = Steps::new(board).build();
    let packages = Packages::new(board);
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] appmgr: ");
    vm.device(&image, &["install", super::arg(&packages.make(PLAIN))]);
    vm.wait_for(r"\] guest: started");
    let bytes = std::fs::read(packages.make(App { number: 2, ballast: 40, ..PLAIN })).expect("it was made");
    let (manifest, app) = nacre_verify::package::members(&bytes).expect("a package");
    let (manifest, app) = (bytes[manifest].to_vec(), bytes[app].to_vec());
    let socket = std::fs::read_link(image.dir().join("run/device.sock")).expect("the VM runs");
    let stream = UnixStream::connect(socket).expect("the VM runs");
    stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a socket");
    let mut peer = Peer { stream, frames: FrameReader::new(), id: 0 };

    let unverified = |answer: Answer, words: &str| match answer {
        Answer::Unverified(text) => assert!(text.contains(words), "{text}"),
        other => panic!("{words}: {other:?}"),
    };
    let altered = |of: &[u8], at: usize| {
        let mut of = of.to_vec();
        of[at] ^= 1;
        of
    };
    // A signed part that is altered, cut, longer, nothing, or signed in another role.
    unverified(peer.install(&altered(&manifest, manifest.len() - 1), &app), "signature");
    unverified(peer.install(&altered(&manifest, 200), &app), "");
    unverified(peer.install(&manifest[..manifest.len() - 1], &app), "");
    unverified(peer.install(&[&manifest[..], &[0]].concat(), &app), "");
    unverified(peer.install(&vec![0; 65_536], &app), "");
    let stranger = nacre_verify::key::SigningKey::from_bytes(&[9; 32]);
    let (payload, _) =
        nacre_verify::package::verify_manifest(&manifest, &development_keys(Role::App)).expect("good");
    unverified(peer.install(&payload.sign(&stranger).expect("good"), &app), "not trusted for it");
    unverified(
        peer.install(&payload.sign(&development_key(Role::Os)).expect("good"), &app),
        "not trusted for it",
    );
    // An image that is altered, of another length, or cut.
    unverified(peer.install(&manifest, &altered(&app, app.len() / 2)), "does not match its hash");
    unverified(peer.install(&manifest, &app[..app.len() - 512]), "that were signed");
    assert_eq!(
        peer.ask(Command::Install { manifest_bytes: length(&manifest), image_bytes: length(&app) }),
        Answer::Done
    );
    unverified(peer.ask(Command::Commit), "it is not whole");
    // Lengths that no package has, and pieces without a beginning, over an end, out of order.
    for (manifest_bytes, image_bytes) in [(0, 1), (1, 0), (65_537, 1), (1, u32::MAX), (u32::MAX, u32::MAX)] {
        unverified(peer.ask(Command::Install { manifest_bytes, image_bytes }), "a package can't have");
    }
    assert!(matches!(peer.ask(Command::Piece { offset: 0, bytes: vec![1] }), Answer::Refused(_)));
    assert!(matches!(peer.ask(Command::Commit), Answer::Refused(_)));
    for (offset, length) in [(1, 1), (0, 101), (u32::MAX, 9)] {
        assert_eq!(peer.ask(Command::Install { manifest_bytes: 100, image_bytes: 9 }), Answer::Done);
        unverified(peer.ask(Command::Piece { offset, bytes: vec![7; length] }), "does not follow");
    }
    assert!(!vm.has_printed(r"\] guest: stopped"));
    assert_eq!(states(&vm, &image), [row("guest", "0.1.1", "running")]);

    // The same on the host, which says so before the device is asked. And the good one is taken.
    let file = packages.folder().join("bad.app");
    for (bad, code) in [
        (&bytes[..bytes.len() - 512], 65),
        (&altered(&bytes, 600 + manifest.len() + 512), 69),
        (&[&bytes[..], &[0; 512]].concat(), 65),
        (&[&bytes[..1024], &bytes[..]].concat(), 65),
    ] {
        std::fs::write(&file, bad).expect("the folder is ours");
        let (found, text) = super::said(&vm.try_device(&image, &["install", super::arg(&file)]));
        assert!(found == Some(code) || (code == 69 && found == Some(65)), "{found:?} {text}");
    }
    refused(&vm, &image, &["install", "/no/such.app"], 66, "");
    assert_eq!(peer.install(&manifest, &app), Answer::Done);
    vm.wait_for(r"\] guest: stopped");
    vm.wait_for(r"\] guest: started");
    assert_eq!(states(&vm, &image), [row("guest", "0.1.2", "running")]);
}

use nacre_image_builder::keys::{DEVELOPMENT, KeyStore, Role};

fn development_key(role: Role) -> nacre_verify::key::SigningKey {
    KeyStore::open()
        .and_then(|store| store.load(DEVELOPMENT)?.private(role))
        .unwrap_or_else(|_| panic!("no keys"))
}

fn development_keys(role: Role) -> Vec<nacre_verify::key::PublicKey> {
    vec![nacre_verify::key::PublicKey::of(&development_key(role))]
}

crate::on_each_board! {
    package_that_is_no_good_leaves_the_old_one_running,
}
