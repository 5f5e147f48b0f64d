//! Tests of the whole program and of the parsers on real evidence.

mod bundle;
mod corpus;
mod parsers;
mod program;
mod tidy;
