//! Panel's page as people see it: in a real browser, on a phone and on a desktop, in the light and in the dark.
#![forbid(unsafe_code)]

mod browser;
mod device;

use nacre_tests::image::{ARMV7, Board, X86_64, demo_on};
use nacre_tests::vm::Vm;
use serde_json::Value;

use browser::{Browser, Screen};
use device::{Made, Story, running, troubled, well};

/// What the page looks like to a person.
const LOOK: &str = include_str!("look.js");

const PHONE: Screen = Screen { name: "phone", width: 390, height: 844, dark: false };
const DESKTOP: Screen = Screen { name: "desktop", width: 1280, height: 800, dark: false };
/// The narrowest that a phone is.
const NARROW: Screen = Screen { name: "narrow", width: 360, height: 740, dark: true };

/// Looks at the page, and checks what has to be right whatever it shows.
fn look(browser: &mut Browser, screen: Screen, origin: &str) -> Value {
    let seen = browser.evaluate(LOOK);
    assert!(seen["width"].as_u64() <= seen["view"].as_u64(), "it scrolls sideways on {screen:?}: {seen:#}");
    // A scroll bar may take a little.
    let view = u64::from(screen.width - 20)..=u64::from(screen.width);
    assert!(seen["view"].as_u64().is_some_and(|width| view.contains(&width)), "{screen:?}: {seen:#}");
    assert_eq!(seen["faint"], serde_json::json!([]), "too little contrast");
    assert_eq!(seen["elsewhere"], serde_json::json!([]));
    for event in browser.events() {
        let what = event["params"].clone();
        match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => {
                panic!("the console of the page is not empty: {what:#}")
            }
            "Network.requestWillBeSent" => {
                let address = what["request"]["url"].as_str().unwrap_or_default();
                assert!(address.starts_with(origin), "it asks {address}");
            }
            "Network.responseReceived" => assert_eq!(what["response"]["status"], 200, "{what:#}"),
            _ => {}
        }
    }
    seen
}

/// The lines of a list of texts, with ordinary spaces.
fn words(seen: &Value) -> Vec<String> {
    let words = seen.as_array().into_iter().flatten().filter_map(Value::as_str);
    words.map(|word| word.replace('\u{a0}', " ")).collect()
}

fn cell(seen: &Value, row: usize, column: usize) -> String {
    seen["apps"][row][column].as_str().unwrap_or_default().replace('\u{a0}', " ")
}

#[test]
fn page_shows_device_apps_and_charts_on_every_screen() {
    let device = Made::start(troubled(), 0);
    for screen in [PHONE, DESKTOP, NARROW] {
        for dark in [false, true] {
            let screen = Screen { dark, ..screen };
            let mut browser = Browser::start(screen);
            browser.open(&device.page());
            // Once as it came, once after the script has renewed it.
            look(&mut browser, screen, &device.page());
            browser.wait_until("performance.getEntriesByType('resource').length > 0");
            let seen = look(&mut browser, screen, &device.page());
            assert_eq!(words(&seen["summary"]), ["2 of 9 apps are down"]);
            assert_eq!(words(&seen["headings"]), ["Nacre", "Load", "CPU", "Memory", "Apps"]);
            let facts = words(&seen["facts"]);
            for fact in ["Up for1 d 2 h", "Imagedemo 0.1.0", "Boardqemu-armv7", "Address10.0.2.15"] {
                assert!(facts.iter().any(|other| other == fact), "{fact} is not in {facts:?}");
            }
            assert_eq!(
                words(&seen["charts"]),
                ["CPU over the last 4 minutes", "Memory over the last 4 minutes"]
            );
            assert!(words(&seen["labels"]).iter().any(|label| label == "4 min"));
            assert_eq!(words(&seen["now"])[1], "14.2 MiB");
            for at in 0..2 {
                assert!(seen["lines"][at].as_u64() > Some(500), "chart {at} is empty");
                assert!(seen["plots"][at][0].as_f64() > Some(220.0), "chart {at} is narrow: {seen:#}");
            }
            let states: Vec<_> = (0..9).map(|row| cell(&seen, row, 1)).collect();
            assert_eq!(
                states,
                [
                    "Running",
                    "Running",
                    "Running",
                    "Restarting",
                    "No network yet",
                    "Failed",
                    "Refused",
                    "Done",
                    "Stopped"
                ]
            );
            assert!(cell(&seen, 5, 0).starts_with("camera"));
            assert_eq!(cell(&seen, 5, 4), "12");
            browser.picture(&format!("{}-{}", screen.name, if dark { "dark" } else { "light" }));
        }
    }
}

#[test]
fn page_when_all_is_well_reaches_back_a_day() {
    let device = Made::start(well(), 0);
    for screen in [PHONE, Screen { dark: true, ..DESKTOP }] {
        let mut browser = Browser::start(screen);
        for (range, title) in [("1h", "CPU over the last hour"), ("24h", "CPU over the last 24 hours")] {
            browser.open(&format!("{}?range={range}", device.page()));
            let seen = look(&mut browser, screen, &device.page());
            assert_eq!(words(&seen["summary"]), ["All 3 apps are running"]);
            assert_eq!(words(&seen["charts"])[0], title);
            assert_eq!(words(&seen["labels"]).iter().any(|label| label == "restart"), range == "24h");
            browser.picture(&format!("{}-well-{range}", screen.name));
        }
    }
}

#[test]
fn page_follows_the_device_without_being_loaded_again() {
    let device = Made::start(well(), 0);
    let mut browser = Browser::start(DESKTOP);
    browser.open(&device.page());
    browser.evaluate("window.untouched = true");
    let mut story = well();
    story.apps.push(running("com.example.newcomer", 300));
    device.tell(story);
    browser.wait_until("document.querySelectorAll('#list tbody tr').length === 4");
    assert_eq!(browser.evaluate("document.title"), "All 4 apps are running · Nacre");

    device.tell(Story { recorder: false, ..well() });
    browser.wait_until("document.querySelectorAll('.empty').length === 2");
    let seen = look(&mut browser, DESKTOP, &device.page());
    assert_eq!(words(&seen["empty"]), ["No history: org.nacre.recorder is not running."; 2]);
    browser.picture("desktop-without-recorder");

    // The device is switched off, and on again.
    let port = device.address.port();
    drop(device);
    browser.wait_until("!document.getElementById('lost').hidden");
    let lost = browser.evaluate("document.getElementById('lost').textContent");
    assert!(lost.as_str().is_some_and(|text| text.starts_with("No answer from the device.")), "{lost}");
    browser.picture("desktop-lost");
    let device = Made::start(well(), port);
    browser.wait_until(
        "document.getElementById('lost').hidden && document.querySelectorAll('.plot').length === 2",
    );
    assert_eq!(browser.evaluate("window.untouched"), true);
    drop(device);
}

#[test]
fn page_without_scripts_is_whole_and_renews_itself() {
    let device = Made::start(well(), 0);
    let mut browser = Browser::start(PHONE);
    browser.disable_scripts();
    browser.open(&device.page());
    let seen = look(&mut browser, PHONE, &device.page());
    assert_eq!(words(&seen["summary"]), ["All 3 apps are running"]);
    assert_eq!(seen["apps"].as_array().map(Vec::len), Some(3));
    browser.wait_for_event("Page.loadEventFired");
}

#[test]
fn page_of_the_demo_image_on_qemu_armv7_is_seen_from_outside() {
    demo_image(ARMV7);
}

#[test]
fn page_of_the_demo_image_on_qemu_x86_64_is_seen_from_outside() {
    demo_image(X86_64);
}

/// The whole way: from a browser through the forwarded port into the sandbox of panel, and from there to the OS
/// and to recorder.
fn demo_image(board: Board) {
    let image = demo_on(board).copy();
    let mut vm = Vm::start_with_ports(&image, &[8080], &["--memory", board.memory]);
    let page = format!("http://{}/", vm.wait_for_port(8080));
    for screen in [PHONE, Screen { dark: true, ..DESKTOP }] {
        let mut browser = Browser::start(screen);
        browser.open(&page);
        // The charts come with recorder's first samples, the script brings them.
        browser.wait_until("document.querySelectorAll('.plot path.line[d]').length === 2");
        browser.wait_until("document.querySelector('.note') !== null && performance.now() > 8000");
        let seen = look(&mut browser, screen, &page);
        assert_eq!(words(&seen["summary"]), ["All 3 apps are running"]);
        let facts = words(&seen["facts"]);
        for fact in
            ["Imagedemo 0.1.0", &format!("Board{}", board.name), "Profiledevelopment", "Address10.0.2.15"]
        {
            assert!(facts.iter().any(|other| other == fact), "{fact} is not in {facts:?}");
        }
        for (row, app) in ["panel", "recorder", "reporter"].into_iter().enumerate() {
            assert!(cell(&seen, row, 0).starts_with(app), "{seen:#}");
            assert_eq!(cell(&seen, row, 1), "Running");
            assert!(cell(&seen, row, 3).ends_with("KiB") || cell(&seen, row, 3).ends_with("MiB"), "{seen:#}");
        }
        for at in 0..2 {
            assert!(seen["lines"][at].as_u64() > Some(20), "chart {at} is empty");
        }
        browser.picture(&format!("{}-{}", board.name, screen.name));
    }
    assert!(!vm.has_printed("(?i)kernel panic|out of memory|oom"), "{:?}", vm.transcript);
}
