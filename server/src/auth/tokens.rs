//! The file of tokens: who has one, for what, and the SHA-256 of each. The tokens themselves are kept by their holders.

use std::{collections::HashMap, fs, io::Write, path::Path, sync::Arc};

use pipeline::hashed::hex;
use rand::RngExt;
use sha2::{Digest, Sha256};

use super::Role;
use crate::config::{StartError, TokenArgs};

/// The tokens of a file, by the SHA-256 of each in hexadecimal.
pub type Tokens = HashMap<String, (Arc<str>, Role)>;

/// The SHA-256 of a token.
#[must_use]
pub fn digest(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// A name that can stand in the file.
///
/// # Errors
/// When it can't.
pub fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !text.is_empty() && text.len() <= 64 && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("write up to 64 letters, digits, `.`, `_` and `-`".to_owned())
    }
}

/// Reads a file of tokens.
///
/// # Errors
/// When it can't be read, or a line isn't as it should be.
pub fn read(path: &Path) -> Result<Tokens, StartError> {
    let wrong = |what: String| StartError::Config(format!("the file of tokens `{}` {what}", path.display()));
    let text = fs::read_to_string(path).map_err(|e| wrong(format!("can't be read: {e}")))?;
    let mut tokens = Tokens::new();
    // Some editors begin a file with a mark that nobody sees.
    let text = text.trim_start_matches('\u{feff}');
    for (number, line) in
        (1..).zip(text.lines()).filter(|(_, line)| !matches!(line.trim().chars().next(), None | Some('#')))
    {
        let wrong =
            |what: &str| wrong(format!("has no token on line {number}: {what}; `report-server token` makes one"));
        let mut words = line.split_whitespace();
        let (Some(who), Some(role), Some(sha256), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong("write `name role sha256`"));
        };
        let who = name(who).map_err(|e| wrong(&format!("the name `{who}`: {e}")))?;
        let role = <Role as clap::ValueEnum>::from_str(role, false)
            .map_err(|_| wrong(&format!("`{role}` is no role: write viewer, analyst, operator or metrics")))?;
        if sha256.len() != 64 || !sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong("the SHA-256 has 64 hexadecimal digits, in lower case"));
        }
        if tokens.insert(sha256.to_owned(), (who.into(), role)).is_some() {
            return Err(wrong("it stands there twice"));
        }
    }
    Ok(tokens)
}

/// Makes a token and prints it, with its line for the file.
///
/// # Errors
/// When nothing can be printed.
pub fn make(args: &TokenArgs) -> Result<(), StartError> {
    let token = hex(&rand::rng().random::<[u8; 32]>());
    let (name, role) = (&args.name, args.role.as_str());
    let text = format!(
        "The token, shown this once, for {name}:\n  {token}\nThe line for the file of tokens:\n  {name} {role} {}\n",
        digest(&token)
    );
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| StartError::System(e.to_string()))
}
