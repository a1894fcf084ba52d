//! `nacre`, the command line on the host: build, run, verify, inspect, and talk to a device.
