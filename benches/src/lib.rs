//! What several of the measuring programs need.

pub mod report_rows;

/// Whatever goes wrong, in words.
pub type Failure = Box<dyn std::error::Error>;
