//! probe
fn main() { println!("hello from init {}", std::process::id()); loop { std::thread::sleep(std::time::Duration::from_secs(1)); println!("tick"); } }
