#![allow(unused)]
//! wip
pub mod calls;
pub mod code;
pub mod machine;
pub mod mutate;
pub mod program;
pub mod random;
