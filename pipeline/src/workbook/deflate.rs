//! Chunks deflated apart from each other and joined to one stream.
//!
//! Each chunk ends at a byte's border and uses no history of the one before, so the joined bytes are a valid stream,
//! and the same whoever made which chunk.

use std::io::{self, Write};

use flate2::{Compress, FlushCompress};

/// An empty last block with fixed codes: the end of a deflate stream.
const END: [u8; 2] = [0x03, 0x00];

/// A chunk, ready to be joined.
pub(super) struct Deflated {
    bytes: Vec<u8>,
    crc: u32,
    size: u64,
}

impl Deflated {
    /// A chunk whose deflated bytes are made already.
    pub(super) fn new(bytes: Vec<u8>, text: &[u8]) -> Self {
        Self { bytes, crc: crc32fast::hash(text), size: text.len() as u64 }
    }
}

/// Deflates a chunk by zlib's level 6.
pub(super) fn by_zlib(text: &[u8]) -> Deflated {
    let mut compress = Compress::new(flate2::Compression::new(6), false);
    let mut bytes = Vec::with_capacity(text.len() / 4 + 128);
    let mut rest = text;
    loop {
        let before = compress.total_in();
        if bytes.len() == bytes.capacity() {
            bytes.reserve(bytes.capacity());
        }
        // With a slice as input and a vector with room as output there is nothing that could fail.
        let _ = compress.compress_vec(rest, &mut bytes, FlushCompress::Sync);
        let taken = usize::try_from(compress.total_in() - before).unwrap_or(rest.len());
        rest = &rest[taken..];
        if rest.is_empty() && bytes.len() < bytes.capacity() {
            return Deflated::new(bytes, text);
        }
    }
}

/// The checksum and size of what has been joined so far.
#[derive(Default)]
pub(super) struct Joined {
    crc: crc32fast::Hasher,
    size: u64,
}

impl Joined {
    /// Appends the next chunk.
    pub(super) fn write(&mut self, output: &mut impl Write, chunk: &Deflated) -> io::Result<()> {
        self.crc.combine(&crc32fast::Hasher::new_with_initial_len(chunk.crc, chunk.size));
        self.size += chunk.size;
        output.write_all(&chunk.bytes)
    }

    /// Ends the stream; gives the whole's CRC-32 and size.
    pub(super) fn finish(self, output: &mut impl Write) -> io::Result<(u32, u64)> {
        output.write_all(&END)?;
        Ok((self.crc.finalize(), self.size))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn joined_chunks_are_one_stream_with_the_whole_checksum() {
        let mut noise = 1_u32;
        let random: Vec<u8> = (0..300_000)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                noise.to_be_bytes()[0]
            })
            .collect();
        let chunks: [&[u8]; 5] = [b"<head>", &b"abc".repeat(100_000), b"", &random, b"</tail>"];
        let (mut stream, mut joined) = (Vec::new(), Joined::default());
        for raw in chunks {
            joined.write(&mut stream, &by_zlib(raw)).unwrap();
        }
        let (crc, size) = joined.finish(&mut stream).unwrap();
        let mut inflated = Vec::new();
        flate2::read::DeflateDecoder::new(&stream[..]).read_to_end(&mut inflated).unwrap();
        assert!(inflated == chunks.concat());
        assert_eq!((crc, size), (crc32fast::hash(&inflated), inflated.len() as u64));
    }
}
