//! Unpacks and packs: a statement is a text, or a ZIP that holds one text. The only place that knows the library for archives.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::FileFault;
use crate::limits;

/// How a ZIP begins; an empty one begins with its end.
const MAGICS: [&[u8; 4]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Goes through the text of a file, unpacked where it is packed. What unpacks to more than is taken is cut off and refused, so that
/// a small archive can not become a large file.
pub(super) fn with_text<S: Read + Seek, T>(
    mut source: S,
    work: impl FnOnce(&mut dyn BufRead) -> Result<T, FileFault>,
) -> Result<T, FileFault> {
    source.seek(SeekFrom::Start(0)).map_err(FileFault::Read)?;
    let mut magic = Vec::with_capacity(4);
    (&mut source).take(4).read_to_end(&mut magic).map_err(FileFault::Read)?;
    source.seek(SeekFrom::Start(0)).map_err(FileFault::Read)?;
    if !MAGICS.iter().any(|known| magic == known.as_slice()) {
        return bounded(source, limits::STATEMENT_TEXT_BYTES_MAX, work);
    }
    let mut archive = ZipArchive::new(source).map_err(damaged)?;
    let mut files = Vec::new();
    for (at, name) in archive.file_names().enumerate() {
        if !name.map_err(damaged)?.ends_with('/') {
            files.push(at);
        }
    }
    let [file] = *files.as_slice() else { return Err(FileFault::NotOneFile(files.len())) };
    let entry = archive.by_index(file).map_err(damaged)?;
    let told_bytes = entry.size();
    if limits::STATEMENT_TEXT_BYTES_MAX < told_bytes {
        return Err(FileFault::TooLarge);
    }
    if ![CompressionMethod::Stored, CompressionMethod::Deflated].contains(&entry.compression()) {
        return Err(FileFault::Packing);
    }
    bounded(entry, limits::STATEMENT_TEXT_BYTES_MAX, work)
}

/// Reads no more than is taken, whatever the archive says of itself.
pub(super) fn bounded<T>(
    source: impl Read,
    most_bytes: u64,
    work: impl FnOnce(&mut dyn BufRead) -> Result<T, FileFault>,
) -> Result<T, FileFault> {
    let bytes = Bounded { source, left: most_bytes };
    work(&mut BufReader::with_capacity(limits::STATEMENT_BUFFER_BYTES, bytes))
}

struct Bounded<R> {
    source: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(into)?;
        let count = u64::try_from(read).unwrap_or(u64::MAX);
        let left = self.left.checked_sub(count);
        self.left = left.ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        Ok(read)
    }
}

/// What went wrong while text was read: too much of it, or an archive whose bytes are not what they were.
pub(super) fn unread(error: io::Error) -> FileFault {
    if error.kind() == io::ErrorKind::FileTooLarge {
        FileFault::TooLarge
    } else {
        FileFault::Damaged(error)
    }
}

fn damaged(error: ZipError) -> FileFault {
    if matches!(error, ZipError::UnsupportedArchive(_) | ZipError::InvalidPassword) {
        return FileFault::Packing;
    }
    FileFault::Damaged(error.into())
}

/// Packs what `write` writes as the one file of an archive.
pub(super) struct Packed<W: Write + Seek> {
    archive: ZipWriter<W>,
}

impl<W: Write + Seek> Packed<W> {
    /// Begins the archive and its file. It bears no date, so that the same results give the same bytes.
    pub(super) fn begin(sink: W, name: &str) -> io::Result<Self> {
        let mut archive = ZipWriter::new(sink);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .large_file(true);
        archive.start_file(name, options).map_err(io::Error::other)?;
        Ok(Self { archive })
    }

    /// Ends both.
    pub(super) fn end(self) -> io::Result<W> {
        self.archive.finish().map_err(io::Error::other)
    }
}

impl<W: Write + Seek> Write for Packed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.archive.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.archive.flush()
    }
}
