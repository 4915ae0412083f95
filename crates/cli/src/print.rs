//! In which forms is an object printed?

pub(crate) mod ago;
pub(crate) mod columns;
pub(crate) mod form;
pub(crate) mod jsonpath;
pub(crate) mod order;
pub(crate) mod table;
pub(crate) mod yaml;
