//! Crashes a moment after each start.
#![forbid(unsafe_code)]

fn main() {
    println!("about to crash");
    std::thread::sleep(std::time::Duration::from_millis(200));
    std::process::abort();
}
