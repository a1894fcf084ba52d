//! End-to-end tests on a real kernel in a VM.
