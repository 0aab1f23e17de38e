//! Elementary functions of single-precision numbers by small trained networks.
//!
//! A function reduces its argument to a short interval in integer arithmetic, asks a network of
//! 25 to 43 parameters for a smooth function on that interval, and puts the result together, again in
//! integers. Reduction is structure; the smooth function is learned.
//!
//! - [`network`]     the networks: one hidden layer, in fixed point
//! - [`float`]       single-precision numbers apart, and back together
//! - [`sine`]        `sin`, `cos`
//! - [`exponential`] `exp`, `log`
//! - [`root`]        `sqrt`
//! - [`arctangent`]  `atan2`
//! - [`function`]    tables: which networks and functions there are, and what is claimed of them
//! - `weights`       weight files (feature `std`)
//! - `verify`        the check of every input (feature `std`)
//! - `train`         where the networks come from (feature `train`)
//!
//! Without features the crate is `no_std` and does not allocate.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

pub mod arctangent;
pub mod exponential;
mod float;
pub mod function;
pub mod network;
pub mod root;
pub mod sine;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "std")]
pub mod verify;
#[cfg(feature = "std")]
pub mod weights;

pub use function::{Function, NetworkId, Networks};
pub use network::Network;
