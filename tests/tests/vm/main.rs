//! What the README promises, on a real kernel in a virtual machine.
#![forbid(unsafe_code)]

/// Makes each function a test on each board.
macro_rules! on_each_board {
    ($($test:ident),* $(,)?) => {
        mod qemu_armv7 {
            $(#[test] fn $test() { super::$test(nacre_tests::image::ARMV7) })*
        }
        mod qemu_x86_64 {
            $(#[test] fn $test() { super::$test(nacre_tests::image::X86_64) })*
        }
    };
}
use on_each_board;

mod app_api;
mod app_vm;
mod attacks;
mod boot;
mod budgets;
mod denials;
mod devices;
mod fields;
mod first_app;
mod health;
mod integrity;
mod judges;
mod kernel_selftests;
mod lifecycle;
mod load;
mod network;
mod power;
mod quota;
mod sandbox;
mod sideload;
