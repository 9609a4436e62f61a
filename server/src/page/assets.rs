//! Style, scripts and the icon, embedded in the program. Pages name them with a part of their SHA-256, so that a
//! browser may keep them for ever under that name.

use std::{fmt::Write, sync::LazyLock};

use sha2::{Digest, Sha256};

/// How many digits of the SHA-256 stand in an address.
const VERSION_DIGITS: usize = 12;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of the pages.
#[derive(Debug)]
pub struct Asset {
    /// The last part of its path.
    pub name: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
    /// Its strong ETag, with quotes.
    pub etag: String,
}

impl Asset {
    /// The value of `v` in the address that pages use. An answer to it may be kept for ever; one to an address without
    /// it, or with another, has to be asked for again.
    #[must_use]
    pub fn version(&self) -> &str {
        self.etag.get(1..=VERSION_DIGITS).unwrap_or_default()
    }
}

fn embedded(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    let mut etag = String::from("\"");
    for byte in Sha256::digest(bytes) {
        // Writing to a string can't fail.
        let _ = write!(etag, "{byte:02x}");
    }
    etag.push('"');
    Asset { name, content_type, bytes, etag }
}

static ASSETS: LazyLock<[Asset; 8]> = LazyLock::new(|| {
    [
        embedded("page.css", CSS, include_bytes!("../../assets/page.css")),
        embedded("page.js", SCRIPT, include_bytes!("../../assets/page.js")),
        embedded("small.js", SCRIPT, include_bytes!("../../assets/small.js")),
        embedded("log.js", SCRIPT, include_bytes!("../../assets/log.js")),
        embedded("charts.js", SCRIPT, include_bytes!("../../assets/charts.js")),
        embedded("favicon.svg", "image/svg+xml", include_bytes!("../../assets/favicon.svg")),
        embedded("uPlot.min.css", CSS, include_bytes!("../../assets/vendor/uPlot.min.css")),
        embedded("uPlot.iife.min.js", SCRIPT, include_bytes!("../../assets/vendor/uPlot.iife.min.js")),
    ]
});

/// The file of that name.
#[must_use]
pub fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// The address by which pages name a file, with its version.
#[must_use]
pub fn address(name: &str) -> String {
    let version = asset(name).map_or("", Asset::version);
    format!("/assets/{name}?v={version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_carry_the_start_of_the_etag() {
        let css = asset("page.css").unwrap();
        assert_eq!(css.etag.len(), 66);
        assert_eq!(address("page.css"), format!("/assets/page.css?v={}", &css.etag[1..13]));
        assert!(asset("../Cargo.toml").is_none());
    }
}
