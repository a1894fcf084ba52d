//! Programs that are not ours accept what we make.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use nacre_tests::image::{Board, Image, demo_on};
use nacre_tests::nacre::judge;
use tempfile::NamedTempFile;

/// A range of a file, in a file of its own.
fn cut(file: &Path, offset: u64, length: u64) -> NamedTempFile {
    let mut source = File::open(file).expect("the file is there");
    source.seek(SeekFrom::Start(offset)).expect("a file can seek");
    let mut part = NamedTempFile::new().expect("a temporary file");
    std::io::copy(&mut source.take(length), &mut part).expect("the range is in the file");
    part.flush().expect("the temporary file is writable");
    part
}

/// The data partition of a disk image.
pub(crate) fn data_partition(image: &Image, disk: &str) -> NamedTempFile {
    let (offset, bytes, _) = image.partition("data");
    cut(&image.dir().join(disk), offset, bytes)
}

fn veritysetup_accepts_the_tree_with_the_root_hash_of_the_envelope(board: Board) {
    let image = demo_on(board);
    let part = |name: &str| {
        let (offset, bytes) = image.part(name);
        cut(&image.dir().join("slot.img"), offset, bytes)
    };
    let (root, tree) = (part("root filesystem"), part("hash tree"));
    let inspected = image.inspect();
    let hash = inspected["parts"][0]["hash"].as_str().expect("the root hash");
    let (root_path, tree_path) = (root.path().to_string_lossy(), tree.path().to_string_lossy());
    let arguments = [
        "verify",
        "--no-superblock",
        "--salt=-",
        "--hash=sha256",
        "--data-block-size=4096",
        "--hash-block-size=4096",
    ];
    judge("veritysetup", &[&arguments[..], &[&root_path, &tree_path, hash]].concat());
    // The check can fail: with one bit of the data flipped it does.
    let mut bytes = fs::read(root.path()).expect("the part is readable");
    bytes[5000] ^= 1;
    fs::write(root.path(), bytes).expect("the part is writable");
    let output = std::process::Command::new("veritysetup")
        .args([&arguments[..], &[&root_path, &tree_path, hash]].concat())
        .output()
        .expect("veritysetup starts");
    assert!(!output.status.success(), "veritysetup accepts anything");
}

fn unsquashfs_reads_the_root_filesystem(board: Board) {
    let image = demo_on(board);
    let listing = judge("unsquashfs", &["-lls", &image.file("slot.img")]);
    for program in ["/sbin/init", "/sbin/appmgr", "/etc/nacre/image.cbor"] {
        assert!(listing.contains(program), "{listing}");
    }
    assert!(listing.lines().all(|line| !line.starts_with('b') && !line.starts_with('c')), "{listing}");
}

fn sgdisk_and_e2fsck_accept_the_disk(board: Board) {
    let image = demo_on(board);
    let verdict = judge("sgdisk", &["-v", &image.file("disk.img")]);
    assert!(verdict.contains("No problems found"), "{verdict}");
    let data = data_partition(&image, "disk.img");
    judge("e2fsck", &["-fn", &data.path().to_string_lossy()]);
    assert!(fs::metadata(image.dir().join("disk.img")).expect("a disk").len() <= 16 << 20);
}

fn fsverity_and_tar_accept_the_packages(board: Board) {
    let image = demo_on(board);
    let packages = fs::read_dir(image.dir()).expect("a folder").flatten();
    let mut seen = 0;
    for package in packages.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "app")) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = package.path().to_string_lossy().into_owned();
        judge("tar", &["-xf", &path, "-C", &folder.path().to_string_lossy()]);
        let app_image = folder.path().join("app.img").to_string_lossy().into_owned();
        judge("fsck.erofs", &[&app_image]);
        let digest = judge("fsverity", &["digest", "--block-size=1024", "--compact", &app_image]);
        let inspected = image.inspect();
        let apps = inspected["apps"].as_array().expect("apps");
        assert!(
            apps.iter().any(|app| digest.trim().ends_with(app["image_digest"].as_str().expect("a digest"))),
            "{digest} is not in {apps:?}"
        );
        seen += 1;
    }
    assert_eq!(seen, 3);
}

crate::on_each_board! {
    veritysetup_accepts_the_tree_with_the_root_hash_of_the_envelope,
    unsquashfs_reads_the_root_filesystem,
    sgdisk_and_e2fsck_accept_the_disk,
    fsverity_and_tar_accept_the_packages,
}
