//! Images for tests: each is built once, and copied by whoever changes it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

use crate::nacre::{judge, nacre, root, text};

/// A folder that `nacre build` made.
#[derive(Debug)]
pub struct Image {
    dir: PathBuf,
    /// The folder of the keys that signed it, if they are not this machine's development set.
    keys: Option<PathBuf>,
    /// Where a copy lives, or what was made in a test's own folder; gone with it.
    _copy: Option<TempDir>,
}

/// The name of keys that are an image's own.
pub const OWN_KEYS: &str = "owner";

/// A board that every test of the whole runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Board {
    /// Its name: everything else about it is in `recipes/boards/<name>.yaml`.
    pub name: &'static str,
    /// The memory that its figures are stated for.
    pub memory: &'static str,
}

/// The microcontroller profile: one Cortex-A7.
pub const ARMV7: Board = Board { name: "qemu-armv7", memory: "24M" };
/// The fast machine for app developers.
pub const X86_64: Board = Board { name: "qemu-x86_64", memory: "48M" };

/// The demo image for its own board.
pub fn demo() -> Arc<Image> {
    demo_on(ARMV7)
}

/// The demo image for a board.
pub fn demo_on(board: Board) -> Arc<Image> {
    build("recipes/images/demo.yaml", board)
}

/// The image of a recipe for a board, built in this run of the tests.
pub fn build(recipe: &str, board: Board) -> Arc<Image> {
    /// By recipe and board.
    type Images = HashMap<(String, &'static str), Arc<Image>>;
    static BUILT: OnceLock<Mutex<Images>> = OnceLock::new();
    let built = BUILT.get_or_init(Mutex::default);
    // One at a time: two builds would only wait for each other's cargo.
    let mut built = built.lock().unwrap_or_else(PoisonError::into_inner);
    let image = built.entry((recipe.to_owned(), board.name)).or_insert_with(|| {
        let name = Path::new(recipe).file_stem().expect("a recipe is a file").to_string_lossy();
        let dir = root().join("target/vm").join(format!("{name}-{}", board.name));
        fs::create_dir_all(dir.parent().expect("target/vm")).expect("target is writable");
        make(nacre(), &[], Path::new(recipe), board, &dir);
        Arc::new(Image { dir, keys: None, _copy: None })
    });
    Arc::clone(image)
}

/// The image of a recipe that a test wrote into a folder of its own, with which it goes. The folder lies in the
/// checkout, where boards are found. If it has a folder `keys`, they sign it.
pub fn build_in(folder: TempDir, recipe: &str, board: Board) -> Image {
    let dir = folder.path().join("image");
    let keys = Some(folder.path().join("keys")).filter(|keys| keys.is_dir());
    let own: &[&str] = if keys.is_some() { &["--keys", OWN_KEYS] } else { &[] };
    make(with_keys(keys.as_deref()), own, &folder.path().join(recipe), board, &dir);
    Image { dir, keys, _copy: Some(folder) }
}

fn with_keys(keys: Option<&Path>) -> Command {
    let mut command = nacre();
    command.envs(keys.map(|keys| ("NACRE_KEYS", keys)));
    command
}

fn make(mut command: Command, keys: &[&str], recipe: &Path, board: Board, dir: &Path) {
    command.arg("build").args(keys).arg(recipe).args(["--board", board.name, "--out"]).arg(dir);
    let output = command.output().expect("nacre starts");
    assert!(output.status.success(), "nacre build {}:\n{}", recipe.display(), text(&output));
}

impl Image {
    /// `nacre`, which trusts the keys of this image.
    pub fn nacre(&self) -> Command {
        with_keys(self.keys.as_deref())
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder as an argument.
    pub fn arg(&self) -> &str {
        self.dir.to_str().expect("the checkout's path is UTF-8")
    }

    /// A program of one of its apps, out of the app's package.
    pub fn program(&self, app: &str, name: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        judge("tar", &["-xf", &self.file(&format!("{app}.app")), "-C", &path("")]);
        judge("fsck.erofs", &[&format!("--extract={}", path("tree")), &path("app.img")]);
        fs::read(path(&format!("tree/app/bin/{name}"))).expect("the program is in the package")
    }

    /// A file in it, as an argument.
    pub fn file(&self, name: &str) -> String {
        self.dir.join(name).to_str().expect("the checkout's path is UTF-8").to_owned()
    }

    /// A copy to change or to run; its disk is as built.
    pub fn copy(&self) -> Image {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = folder.path().join("image");
        fs::create_dir(&dir).expect("the folder is new");
        for entry in fs::read_dir(&self.dir).expect("an image is a folder").flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                // cp(1) keeps the holes of the disk image.
                let (from, to) = (entry.path(), dir.join(entry.file_name()));
                judge("cp", &["--sparse=always", &from.to_string_lossy(), &to.to_string_lossy()]);
            }
        }
        Image { dir, keys: self.keys.clone(), _copy: Some(folder) }
    }

    /// What `nacre image inspect --json` says.
    pub fn inspect(&self) -> Value {
        let output = nacre().args(["image", "inspect", "--json", self.arg()]).output().expect("nacre starts");
        assert!(output.status.success(), "nacre image inspect:\n{}", text(&output));
        serde_json::from_slice(&output.stdout).expect("--json prints JSON")
    }

    /// Offset and length of a part of the slot, as `nacre image inspect` names it.
    pub fn part(&self, name: &str) -> (u64, u64) {
        let inspected = self.inspect();
        let parts = inspected["parts"].as_array().expect("parts");
        let part = parts.iter().find(|part| part["part"] == name).expect("the part is there");
        let number = |field: &str| part[field].as_u64().expect("a number");
        (number("offset"), number("bytes"))
    }

    /// Offset, length and GUID of a partition of the disk.
    pub fn partition(&self, name: &str) -> (u64, u64, String) {
        let inspected = self.inspect();
        let partitions = inspected["partitions"].as_array().expect("partitions");
        let partition = partitions.iter().find(|row| row["name"] == name).expect("the partition is there");
        let number = |field: &str| partition[field].as_u64().expect("a number");
        (number("offset"), number("bytes"), partition["uuid"].as_str().expect("a GUID").to_owned())
    }

    /// Flips one bit of a byte of one of its files.
    pub fn flip(&self, file: &str, offset: u64) {
        use std::os::unix::fs::FileExt;
        let file =
            fs::File::options().read(true).write(true).open(self.dir.join(file)).expect("the file is there");
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).expect("the offset is in the file");
        file.write_all_at(&[byte[0] ^ 1], offset).expect("the file is writable");
    }
}
