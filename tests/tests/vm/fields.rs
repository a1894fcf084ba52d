//! Each field of a manifest, twice: without it the app is denied, and with it allowed. Where the denial is an event,
//! the field is filled in with the line that the event has, by a machine.
//!
//! `restart` and `critical` are in lifecycle.rs and boot.rs: they allow nothing.

mod manifest;
mod run;
mod table;

use nacre_tests::image::Board;

use run::{Said, boots};
use table::{End, FIELDS, Field};

fn field(name: &str) -> Field {
    *FIELDS.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("{name} is in the table"))
}

fn check(said: &Said, field: Field, expected: End) {
    let Field { app, attempt, .. } = field;
    let end = said.ends.get(&(app.to_owned(), attempt.to_owned())).map(String::as_str);
    let figure = || end.and_then(|end| end.parse::<u64>().ok());
    let as_expected = match expected {
        End::Says(words) => end.is_some_and(|end| words.contains(&end)),
        End::Begins(words) => end.is_some_and(|end| end.starts_with(words)),
        End::AtMost(most) => figure().is_some_and(|figure| figure <= most),
        End::AtLeast(least) => figure().is_some_and(|figure| figure >= least),
        End::Ended(words) => end.is_none() && said.has_line(app, words),
    };
    assert!(as_expected, "{app}, {attempt}: {end:?}, expected {expected:?}: {said:#?}");
}

fn denied(board: Board, name: &str) {
    let field = field(name);
    check(&boots(board).denied, field, field.denied);
}

fn allowed(board: Board, name: &str) {
    let field = field(name);
    check(&boots(board).allowed, field, field.allowed);
}

/// Two tests for each field on each board.
macro_rules! fields {
    ($($field:ident),* $(,)?) => {
        $(mod $field {
            fn denied_when_not_stated(board: nacre_tests::image::Board) {
                super::denied(board, stringify!($field));
            }
            fn allowed_when_stated(board: nacre_tests::image::Board) {
                super::allowed(board, stringify!($field));
            }
            crate::on_each_board! { denied_when_not_stated, allowed_when_stated }
        })*

        #[test]
        fn every_field_of_the_table_has_its_tests() {
            let tested = [$(stringify!($field)),*];
            let listed: Vec<_> = FIELDS.iter().map(|field| field.name).collect();
            assert_eq!(tested.as_slice(), listed);
        }
    };
}

fields! {
    limits_memory,
    limits_tasks,
    limits_cpu,
    limits_open_files,
    limits_tmp,
    storage_data_amount,
    storage_data,
    system_stats,
    system_apps_status,
    apps,
    events,
    health,
    devices_gpio,
    devices_uart,
    network_connect_port,
    network_connect_machine,
    network_connect_udp,
    network_listen,
    memory_writable_executable,
}

fn port_open_without_its_line_is_told_when_somebody_knocks(board: Board) {
    let event = run::knocked_on(board, 8_081);
    let expected =
        serde_json::json!({ "app": "org.nacre.open", "field": "network.listen", "line": "tcp:8081" });
    assert_eq!(event["layer"], "packet-filter", "{event}");
    assert_eq!(event["tried"], "accept tcp on port 8081", "{event}");
    assert_eq!(event["remedy"], expected, "{event}");
}

crate::on_each_board! { port_open_without_its_line_is_told_when_somebody_knocks }
