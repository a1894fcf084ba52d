//! GPIO lines and serial ports: an app uses what it is given, and nothing else.
//!
//! The GPIO chip is the kernel's simulation; an app without a sandbox is the witness, who sees in /sys what a line
//! really is, and presses the buttons.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nacre_tests::image::Board;
use nacre_tests::steps::Steps;
use nacre_tests::vm::Vm;

/// Where the simulated chip shows its lines: LED1, LED2, BUTTON1, BUTTON2.
const CHIP: &str = "/sys/devices/platform/gpio-sim.0/gpiochip0";

const WITNESS: &str = "testing: { apps: { org.nacre.witness: [all] } }\n";

fn step_said(vm: &mut Vm, app: &str, step: &str) -> String {
    vm.wait_for(&format!(r"\] {app}: step {step}: (.*)$"))[1].clone()
}

fn line_that_is_given_is_driven_and_read_and_no_other_one_is(board: Board) {
    let (led1, button1) = (format!("{CHIP}/sim_gpio0/value"), format!("{CHIP}/sim_gpio2/pull"));
    let image = Steps::new(board)
        .app(
            "blinker",
            &[
                "line LED1 high",
                "value LED1",
                "line LED1 low",
                "wait 6",
                "release LED1",
                "line LED1 low",
                "line LED2 low",
                "line LED9 low",
                "uart console2 9600 none",
                "read /dev/gpiochip0",
                "line BUTTON1 edges",
                "edge BUTTON1 60",
                "value BUTTON1",
                "set BUTTON1 0",
            ],
            "devices: { gpio: [BUTTON1, LED1] }\n",
        )
        .app("other", &["line LED1 low", "line LED2 high", "hang"], "devices: { gpio: [LED2] }\n")
        .app(
            "witness",
            &["wait 4", &format!("read {led1}"), "wait 12", &format!("write {button1} pull-up")],
            "",
        )
        .testing(WITNESS)
        .build();
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] blinker: all steps made");
    let said = |app: &str, step: &str| {
        let start = format!("] {app}: step {step}: ");
        let line = vm.transcript.iter().find_map(|line| Some(line.split_once(&start)?.1.to_owned()));
        line.unwrap_or_else(|| panic!("{app} has not made the step {step}: {:#?}", vm.transcript))
    };
    assert_eq!(said("blinker", "line LED1 high"), "done");
    assert_eq!(said("blinker", "value LED1"), "1");
    assert_eq!(said("witness", &format!("read {led1}")), "1", "what the app says is what the line is");
    let taken = "unavailable: GPIO line LED1: it is taken: this app has it already, or the kernel does";
    assert_eq!(said("blinker", "line LED1 low"), taken);
    assert_eq!(said("blinker", "release LED1"), "done");
    let again = vm.transcript.iter().filter(|line| line.ends_with("step line LED1 low: done")).count();
    assert_eq!(again, 1, "given back, it is to be had again");
    let line = "take the GPIO line LED2 — add \"LED2\" under devices.gpio in blinker/nacre.yaml";
    assert_eq!(said("blinker", "line LED2 low"), format!("denied: {line}"));
    assert!(vm.has_printed(
        r#"\] blinker: denied: take the GPIO line LED2 \(app manager\) — add "LED2" under devices.gpio in blinker"#
    ));
    let unknown = "denied: take the GPIO line LED9 — never allowed: this board has none of that name";
    assert_eq!(said("blinker", "line LED9 low"), unknown);
    let uart = "denied: take the UART console2 — add \"console2\" under devices.uart in blinker/nacre.yaml";
    assert_eq!(said("blinker", "uart console2 9600 none"), uart);
    assert!(said("blinker", "read /dev/gpiochip0").contains("No such file"), "the chip is nobody's");
    assert_eq!(said("blinker", "edge BUTTON1 60"), "rising");
    assert_eq!(said("blinker", "value BUTTON1"), "1");
    assert!(said("blinker", "set BUTTON1 0").contains("not permitted"), "an input is not driven");
    assert!(said("other", "line LED1 low").starts_with("denied: take the GPIO line LED1 — add "));
    assert_eq!(said("other", "line LED2 high"), "done");
    // What an app had is free when it ends, however it does.
    vm.device(&image, &["kill", "other"]);
    vm.wait_for(r"\] other: ended by signal 9");
    vm.device(&image, &["start", "other"]);
    assert_eq!(step_said(&mut vm, "other", "line LED2 high"), "done");
}

fn serial_port_that_is_given_leads_to_the_socket(board: Board) {
    let image = Steps::new(board)
        .app(
            "talker",
            &[
                "uart console2 9601 none",
                "uart console2 115200 none",
                "hear console2 60",
                "send console2 from the device",
                "release console2",
                "uart console2 9600 even",
            ],
            "devices: { uart: [console2] }\n",
        )
        .app("mute", &["uart console2 9600 none", "read /dev/ttyS0"], "")
        .build();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("uart");
    let mut vm = Vm::start(&image, &["--uart", &format!("console2={}", socket.display())]);
    assert!(step_said(&mut vm, "talker", "uart console2 9601 none").starts_with("invalid: 9601 bits"));
    assert_eq!(step_said(&mut vm, "talker", "uart console2 115200 none"), "done");
    let mut port = UnixStream::connect(&socket).expect("QEMU listens");
    port.set_read_timeout(Some(Duration::from_secs(60))).expect("not zero");
    port.write_all(b"to the device\n").expect("QEMU reads");
    assert_eq!(step_said(&mut vm, "talker", "hear console2 60"), "to the device");
    let mut line = String::new();
    assert_eq!(step_said(&mut vm, "talker", "send console2 from the device"), "done");
    let heard = BufReader::new(port).read_line(&mut line);
    heard.unwrap_or_else(|error| panic!("{error}: {:#?}", vm.transcript));
    assert_eq!(line, "from the device\n", "raw: no carriage return is added");
    assert_eq!(step_said(&mut vm, "talker", "uart console2 9600 even"), "done");
    while !(vm.has_printed(r"\] mute: all steps made")) {
        vm.wait_for(r"\] mute: ");
    }
    assert!(vm.has_printed(
        r#"\] mute: step uart console2 9600 none: denied: take the UART console2 — add "console2" under devices.uart in mute/nacre.yaml"#
    ));
    assert!(vm.has_printed(r"\] mute: step read /dev/ttyS0: No such file"));
}

crate::on_each_board! {
    line_that_is_given_is_driven_and_read_and_no_other_one_is,
    serial_port_that_is_given_leads_to_the_socket,
}
