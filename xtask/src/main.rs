//! Set-up, run, test and checks: what a person types in a checkout.

fn main() {}
