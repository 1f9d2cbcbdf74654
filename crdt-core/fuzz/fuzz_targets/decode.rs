#![no_main]

#[path = "../counting.rs"]
mod counting;
#[path = "../drivers.rs"]
#[allow(dead_code)]
mod drivers;
#[path = "../limits.rs"]
mod limits;

libfuzzer_sys::fuzz_target!(|data: &[u8]| limits::check(data, drivers::decode));
