//! The key packages of devices: published by their device, claimed by others who add the device to a group
//! (docs/SPEC.md, section 16).

pub mod claim;
pub mod keep;
mod path;
