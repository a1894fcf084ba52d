//! Hash trees against the programs that everybody else makes them with.

use std::fs;
use std::path::Path;
use std::process::Command;

use nacre_verify::fs_verity;
use nacre_verify::tree::{BlockSize, verity_tree};

/// Runs a program and answers with what it prints.
fn run(package: &str, command: &mut Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| {
        panic!("{program} is needed as the judge of this test (Debian package {package}): {error}")
    });
    assert!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Bytes that differ from block to block.
fn data(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0]).collect()
}

fn veritysetup(data: &Path, tree: &Path) -> String {
    let mut command = Command::new("veritysetup");
    command.args(["format", "--no-superblock", "--format=1", "--hash=sha256", "--salt=-"]);
    command.args(["--data-block-size=4096", "--hash-block-size=4096"]).arg(data).arg(tree);
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    let printed = run("cryptsetup-bin", &mut command);
    let line = printed.lines().find_map(|line| line.strip_prefix("Root hash:"));
    line.expect("a root hash").trim().to_owned()
}

#[test]
fn verity_tree_is_that_of_veritysetup() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data_file, tree_file) = (folder.path().join("data"), folder.path().join("tree"));
    // Around one, two and three levels.
    for blocks in [1, 2, 3, 127, 128, 129, 500, 128 * 128, 128 * 128 + 1] {
        let content = data(blocks * 4096);
        fs::write(&data_file, &content).expect("write");
        fs::write(&tree_file, b"").expect("write");
        let root = veritysetup(&data_file, &tree_file);
        let tree = verity_tree(&content);
        assert_eq!(tree.root.to_string(), root, "{blocks} blocks");
        assert!(tree.bytes == fs::read(&tree_file).expect("read"), "{blocks} blocks: another tree");
    }
}

#[test]
fn fs_verity_digest_is_that_of_fsverity() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    for block in [BlockSize::B1024, BlockSize::B4096] {
        for bytes in
            [0, 1, 1023, 1024, 1025, 4096, 4097, 32 * 1024, 32 * 1024 + 1, 1024 * 1024, 1025 * 1024 + 5]
        {
            let content = data(bytes);
            fs::write(&file, &content).expect("write");
            let mut command = Command::new("fsverity");
            command.args(["digest", "--compact", "--hash-alg=sha256"]);
            command.arg(format!("--block-size={}", block.bytes())).arg(&file);
            let expected = run("fsverity", &mut command);
            let digest = fs_verity::digest(&content, block).to_string();
            assert_eq!(digest, expected.trim(), "{bytes} bytes in blocks of {}", block.bytes());
        }
    }
}
