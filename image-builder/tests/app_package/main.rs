//! `nacre app inspect|verify|diff|sign` as a user meets them: on good packages, on changed ones, and on hostile ones.

mod fixture;
mod hostile;
mod screens;
mod signing;
