//! What PostgreSQL's errors mean to whoever reads them, and whether another try is worth it.

use ::postgres::error::SqlState;
use connectorx::sources::postgres::PostgresSourceError;

use super::SourceError;

/// The reason at the bottom of an error.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}

/// What an error of connectorx means.
pub(super) fn explain_source(error: PostgresSourceError, address: &str, what: &str) -> SourceError {
    match error {
        PostgresSourceError::PostgresError(error) => explain(&error, address, what),
        PostgresSourceError::PostgresPoolError(error) => {
            SourceError::Interrupted(format!("it gave no further connection ({error})"))
        }
        other => SourceError::Other { what: what.to_owned(), reason: innermost(&other) },
    }
}

/// What an error of the client or the server means to whoever reads the message.
pub(crate) fn explain(error: &::postgres::Error, address: &str, what: &str) -> SourceError {
    let address = address.to_owned();
    let Some(server) = error.as_db_error() else {
        let reason = innermost(error);
        let text = error.to_string();
        return if text.contains("TLS") {
            SourceError::Tls { address, reason }
        } else if text.starts_with("error connecting") || text.contains("timed out") {
            SourceError::Unreachable { address, reason }
        } else if text.contains("password missing") || text.starts_with("invalid configuration") {
            SourceError::Password { address, reason }
        } else if error.is_closed() || std::error::Error::source(error).is_some_and(|e| e.is::<std::io::Error>()) {
            SourceError::Interrupted(format!("the connection was lost while reading {what} ({reason})"))
        } else {
            SourceError::Other { what: what.to_owned(), reason }
        };
    };
    let reason = server.message().to_owned();
    match server.code() {
        &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            SourceError::Password { address, reason }
        }
        &SqlState::INVALID_CATALOG_NAME => SourceError::NoDatabase { address, reason },
        &SqlState::CANNOT_CONNECT_NOW => SourceError::Unreachable { address, reason },
        &SqlState::LOCK_NOT_AVAILABLE => SourceError::Interrupted(format!(
            "{what} waited too long for a lock ({reason}), as a migration or another program changes one of its tables"
        )),
        &SqlState::QUERY_CANCELED if reason.contains("statement timeout") => {
            SourceError::Interrupted(format!("{reason}; have its statement_timeout raised for this user"))
        }
        code if code.code() == "22023" || reason.contains("the requested snapshot") => SourceError::CutLost(reason),
        code if code.code().starts_with("42") || code.code().starts_with("3F") => SourceError::Schema(reason),
        code if code.code().starts_with("57") || code.code().starts_with("53") || code.code().starts_with("08") => {
            SourceError::Interrupted(reason)
        }
        code if code.code().starts_with("40") || code.code().starts_with("55") || code.code() == "25P03" => {
            SourceError::Interrupted(reason)
        }
        code => SourceError::Other { what: what.to_owned(), reason: format!("{reason} (SQLSTATE {})", code.code()) },
    }
}
