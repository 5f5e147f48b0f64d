//! Tests of the whole program and of the parsers on real evidence.

#[cfg(test)]
mod analysis;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod bundle;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod citations;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod hosts;
#[cfg(test)]
#[cfg(unix)]
mod killed;
#[cfg(test)]
#[cfg(unix)]
mod live;
#[cfg(test)]
#[path = "../artifacts/src/formats/hive/long_hive.rs"]
#[allow(dead_code)]
mod long_hive;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod memory;
#[cfg(test)]
mod parsers;
#[cfg(test)]
#[cfg(unix)]
mod parts;
#[cfg(test)]
mod program;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod told;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod way_out;
#[cfg(test)]
mod words;
