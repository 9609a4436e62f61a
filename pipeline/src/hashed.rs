//! Files that are measured and hashed while they are written.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sha2::{Digest, Sha256};

/// A file that is measured and hashed while it is written.
#[derive(Debug)]
pub struct HashedFile {
    file: fs::File,
    hash: Sha256,
    size: Arc<AtomicU64>,
}

impl HashedFile {
    /// A file of which nothing is written yet.
    #[must_use]
    pub fn new(file: fs::File) -> Self {
        Self { file, hash: Sha256::new(), size: Arc::default() }
    }

    /// Bytes written so far, for others to watch.
    #[must_use]
    pub fn size(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.size)
    }

    /// Makes the file durable; gives its size in bytes and its SHA-256 in hexadecimal.
    ///
    /// # Errors
    /// When the system can't make it durable.
    pub fn finish(self) -> io::Result<(u64, String)> {
        self.file.sync_all()?;
        Ok((self.size.load(Ordering::Relaxed), hex(&self.hash.finalize())))
    }
}

impl io::Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// SHA-256 of a file in hexadecimal.
///
/// # Errors
/// When it can't be read.
pub fn of_file(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (fs::File::open(path)?, Sha256::new());
    let mut piece = vec![0; 1 << 17];
    loop {
        match io::Read::read(&mut file, &mut piece)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&piece[..read]),
        }
    }
}

/// Bytes in lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
