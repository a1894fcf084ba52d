use super::*;
use nacre_app::{AppState, Device};
use sha2::{Digest, Sha256};

/// A device with an app that failed and another boot behind it.
pub(crate) fn full() -> (Reading, History) {
    let app = |app: &str, state, restarts, memory_kib, since_ms, last_end: Option<&str>| AppStatus {
        app: app.to_owned(),
        version: "0.1.0".to_owned(),
        state,
        restarts,
        memory_kib,
        since_ms,
        last_end: last_end.map(str::to_owned),
    };
    let sample = |cpu_permille, memory_pages, uptime_s| Sample { cpu_permille, memory_pages, uptime_s };
    let reading = Reading {
        device: Some(Device {
            image: "demo".to_owned(),
            version: "0.1.0".to_owned(),
            board: "qemu-armv7".to_owned(),
            development: true,
            address: Some([10, 0, 2, 15]),
        }),
        stats: Ok(Stats {
            uptime_ms: 93_784_000,
            cpu_busy_ms: 4_000,
            cpu_total_ms: 93_784_000,
            memory_total_kib: 21_800,
            memory_available_kib: 7_310,
        }),
        cpu_permille: None,
        apps: Ok(vec![
            app("org.nacre.recorder", AppState::Running, 0, 1100, 93_780_000, None),
            app("org.nacre.reporter", AppState::Failed, 5, 0, 4000, Some("killed by <b>signal</b> \"11\"")),
        ]),
    };
    let samples = vec![sample(100, 3500, 98), sample(420, 3600, 99), sample(0, 3000, 1), sample(42, 3622, 2)];
    (reading, Ok(Answer { kept: 4, boots: 2, memory_total_kib: 21_800, samples }))
}

/// What is left when the OS is silent.
pub(crate) fn nothing() -> (Reading, History) {
    let gone = || "no connection to the OS".to_owned();
    let reading = Reading { device: None, stats: Err(gone()), cpu_permille: None, apps: Err(gone()) };
    (reading, Err("org.nacre.recorder is not running".to_owned()))
}

fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ")
}

#[test]
fn page_has_the_device_each_app_and_both_charts() {
    let (reading, history) = full();
    let page = plain(&page(&reading, &history, Range::Minutes));
    for part in [
        "1 of 2 apps is down",
        "1 d 2 h",
        "demo 0.1.0",
        "qemu-armv7",
        "development",
        "10.0.2.15",
        "4.2 %",
        "14.2 MiB",
        "of 21.3 MiB, 66.4 %",
        ">recorder <small>org.nacre.recorder</small>",
        ">Failed</td>",
        "killed by &lt;b&gt;signal&lt;/b&gt; &quot;11&quot;",
        "CPU over the last 4 minutes",
        ">restart</text>",
        "Mean 14.0 %, highest 42.0 %",
        "4 s over 2 boots",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
}

#[test]
fn page_without_recorder_shows_the_rest() {
    let ((reading, _), (_, history)) = (full(), nothing());
    let page = plain(&page(&reading, &history, Range::Day));
    assert_eq!(page.matches("No history: org.nacre.recorder is not running.").count(), 2);
    assert!(page.contains("14.2 MiB") && page.contains(">recorder <small>"), "{page}");
}

#[test]
fn page_without_an_os_says_so() {
    let (reading, history) = nothing();
    let page = page(&reading, &history, Range::Minutes);
    for part in ["The OS does not answer", "No figures: no connection to the OS.", "No states: no connection"]
    {
        assert!(page.contains(part), "{part} is not in {page}");
    }
}

#[test]
fn page_of_the_most_there_can_be_is_at_most_20_kib() {
    let (mut reading, _) = full();
    let status = reading.apps.as_ref().unwrap()[1].clone();
    let long = AppStatus { app: "org.example.an-app-with-a-long-name".to_owned(), ..status };
    reading.apps = Ok(vec![long; 12]);
    // Up and down by all of the height: the longest curves there are.
    let sample = |uptime_s| match uptime_s % 2 {
        0 => Sample { cpu_permille: 1000, memory_pages: 5400, uptime_s },
        _ => Sample { cpu_permille: 0, memory_pages: 0, uptime_s },
    };
    let samples = (0..240).map(sample).collect();
    let history = Ok(Answer { kept: 86_400, boots: 100, memory_total_kib: 21_800, samples });
    let page = page(&reading, &history, Range::Minutes);
    assert!(page.len() <= 20 * 1024, "{} bytes", page.len());
}

#[test]
fn page_never_forwards_what_an_app_writes() {
    let (mut reading, _) = full();
    let hostile = "\"><script>alert(1)</script><img src=x onerror='x'>&lt;";
    let (_, history) = (0, Err(hostile.to_owned()));
    if let (Some(device), Ok(apps)) = (&mut reading.device, &mut reading.apps) {
        (device.image, device.version, device.board) = (hostile.into(), hostile.into(), hostile.into());
        (apps[0].app, apps[0].version, apps[0].last_end) =
            (hostile.into(), hostile.into(), Some(hostile.into()));
    }
    let page = page(&reading, &history, Range::Minutes);
    assert_eq!(page.matches("<script").count(), 1, "only the page's own");
    assert!(!page.contains("<img") && !page.contains("&lt;\""), "{page}");
}

#[test]
fn summary_names_the_worst() {
    let (mut reading, _) = full();
    let mut said = |states: &[AppState]| {
        let apps = reading.apps.as_mut().unwrap();
        let status = apps[0].clone();
        *apps = states.iter().map(|state| AppStatus { state: *state, ..status.clone() }).collect();
        let said = summary(&reading).1;
        reading.apps.as_mut().unwrap().resize(1, status);
        said
    };
    use AppState::{Backoff, Failed, Refused, Running, Stopped, Waiting};
    for (states, sentence) in [
        (&[Running, Running] as &[AppState], "All 2 apps are running"),
        (&[Running, Stopped], "1 of 2 apps is running"),
        (&[Running, Backoff, Waiting], "2 of 3 apps are waiting"),
        (&[Running, Failed, Refused, Backoff], "2 of 4 apps are down"),
        (&[Running], "The app is running"),
        (&[Failed], "The app is down"),
    ] {
        assert_eq!(said(states), sentence);
    }
}

#[test]
fn scales_have_round_marks() {
    let marks = |(_, marks): Scale| marks.iter().map(|(_, text)| plain(text)).collect::<Vec<_>>().join(", ");
    let stats = full().0.stats.unwrap();
    for (highest, said) in [(0, "0 %, 5 %, 10 %"), (101, "0 %, 10 %, 20 %"), (501, "0 %, 50 %, 100 %")] {
        assert_eq!(marks(cpu_scale(highest, &stats)), said);
    }
    for (total, said) in [
        (0, "0 MiB"),
        (21_800, "0 MiB, 10 MiB, 20 MiB"),
        (19_908, "0 MiB, 5 MiB, 10 MiB, 15 MiB, 19.4 MiB"),
        (45_000, "0 MiB, 20 MiB, 40 MiB"),
    ] {
        assert_eq!(marks(memory_scale(total)), said);
    }
}

#[test]
fn hashes_are_those_of_style_and_script() {
    for (text, hash) in [(STYLE, STYLE_HASH), (SCRIPT, SCRIPT_HASH)] {
        assert_eq!(hash, format!("sha256-{}", base64(&Sha256::digest(text))));
        assert!(!text.contains("</"), "it would end its element");
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().chain([&0; 3]).take(3).fold(0_usize, |word, byte| word << 8 | usize::from(*byte));
        for at in 0..4 {
            let letter = LETTERS[word >> (18 - 6 * at) & 63] as char;
            text.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    text
}
