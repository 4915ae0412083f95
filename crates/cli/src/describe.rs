//! What does kubectl say of an object when it is asked for everything?

mod container;
pub(crate) mod events;
pub(crate) mod lines;
pub(crate) mod pod;
#[cfg(test)]
mod tests;
mod volumes;
