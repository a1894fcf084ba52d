//! `nacre attack` on the demo image: nothing wins with every layer, and everything wins without any.

use nacre_tests::image::{Board, demo_on};
use nacre_tests::nacre::{nacre, text};
use serde_json::Value;

/// What one layer alone stops, outside of the families in which that is expected (docs/SECURITY-FEATURES.md).
const PAIRS: [(&str, &str); 5] = [
    ("udp-to-other-port", "packet-filter"),
    ("udp-to-other-machine", "packet-filter"),
    ("tcp-to-other-machine", "packet-filter"),
    ("dns-exfiltration", "packet-filter"),
    ("other-app-over-udp", "packet-filter"),
];

/// What `nacre attack --json` says.
fn attack(board: Board, options: &[&str]) -> Value {
    let image = demo_on(board);
    let output =
        nacre().args(["attack", image.arg(), "--json"]).args(options).output().expect("nacre starts");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    assert!(output.status.success(), "{}", text(&output));
    said
}

fn stopped_by_all_and_by_none(attacks: &[Value]) {
    for attack in attacks {
        assert_eq!(attack["all_layers"], "stopped", "{attack:#}");
        assert_eq!(attack["control"], "won", "the attack proves nothing: {attack:#}");
    }
}

fn attacks_are_stopped_by_all_layers_and_win_without_any(board: Board) {
    let said = attack(board, &["--quick", "--own-kernel"]);
    let attacks = said["attacks"].as_array().expect("a list of attacks");
    assert!(attacks.len() >= 80, "{}", attacks.len());
    stopped_by_all_and_by_none(attacks);
}

fn no_single_layer_that_is_off_lets_an_attack_win(board: Board) {
    let said = attack(board, &[]);
    let attacks = said["attacks"].as_array().expect("a list of attacks");
    assert!(attacks.len() >= 120, "{}", attacks.len());
    stopped_by_all_and_by_none(attacks);
    for attack in attacks {
        let (name, family) =
            (attack["name"].as_str().expect("text"), attack["family"].as_str().expect("text"));
        for (layer, outcome) in attack["without"].as_object().expect("by layer") {
            let expected = PAIRS.contains(&(name, layer)) || ["resources", "channel"].contains(&family);
            assert!(expected || outcome == "stopped", "{name} without {layer}: {outcome}");
        }
    }
}

/// The matrix takes a quarter of an hour a board and the control kernel; the rest a few minutes.
mod whole_matrix {
    use nacre_tests::image::{ARMV7, X86_64};

    #[test]
    #[ignore = "takes long: cargo xtask test --full"]
    fn quick_qemu_armv7() {
        super::attacks_are_stopped_by_all_layers_and_win_without_any(ARMV7);
    }

    #[test]
    #[ignore = "takes long: cargo xtask test --full"]
    fn quick_qemu_x86_64() {
        super::attacks_are_stopped_by_all_layers_and_win_without_any(X86_64);
    }

    #[test]
    #[ignore = "takes long: cargo xtask test --full"]
    fn qemu_armv7() {
        super::no_single_layer_that_is_off_lets_an_attack_win(ARMV7);
    }

    #[test]
    #[ignore = "takes long: cargo xtask test --full"]
    fn qemu_x86_64() {
        super::no_single_layer_that_is_off_lets_an_attack_win(X86_64);
    }
}
