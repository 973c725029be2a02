//! Reads a bundle: any of its files whole or piece by piece, with its hash, and never more than it may have.

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use super::fault::Fault;
use super::manifest::FileEntry;
use super::text::hex;
use crate::limits;

/// A bundle that is open.
pub struct Archive {
    zip: ZipArchive<BufReader<File>>,
    /// How it is called in faults.
    name: String,
}

/// A file of it that is read piece by piece.
pub struct Stream<'a> {
    file: zip::read::ZipFile<'a, BufReader<File>>,
    hash: Sha256,
    bytes: u64,
    name: &'a str,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("name", &self.name).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Archive {
    /// Opens a bundle.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let unreadable = |error: &dyn std::fmt::Display| {
            Fault::of_file(
                &name,
                ("the archive is no bundle, or is cut off", "不是证据包，或文件不完整"),
            )
            .because(error)
        };
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let told = entries_told(&mut reader).map_err(|error| unreadable(&error))?;
        let zip = ZipArchive::new(reader).map_err(|error| unreadable(&error))?;
        // Of two files of one name only one is seen, and other readers may see the other one.
        if told != zip.len() {
            return Err(unreadable(&"a file is there twice, or something stands behind the end"));
        }
        Ok(Self { zip, name })
    }

    /// The names of its files.
    pub fn names(&self) -> Result<Vec<String>, Fault> {
        let bad = ("the archive has a file whose name can not be read", "归档内有无法识别的文件名");
        let names = self.zip.file_names().map(|name| {
            name.map(|name| name.to_string())
                .map_err(|error| Fault::of_file(&self.name, bad).because(&error))
        });
        names.collect()
    }

    /// A whole file.
    pub fn whole(&mut self, name: &str) -> Result<Vec<u8>, Fault> {
        let mut stream = self.stream(name)?;
        let mut bytes = Vec::new();
        let mut limited = (&mut stream.file).take(limits::BUNDLE_FILE_BYTES_MAX);
        limited.read_to_end(&mut bytes).map_err(|error| damaged(name, &error))?;
        let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if limits::BUNDLE_FILE_BYTES_MAX <= read {
            return Err(Fault::of_file(name, ("the file is too large", "文件过大")));
        }
        Ok(bytes)
    }

    /// A whole file that the manifest names.
    pub fn listed(&mut self, entry: &FileEntry) -> Result<Vec<u8>, Fault> {
        let bytes = self.whole(&entry.name)?;
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        compare(entry, hash, u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        Ok(bytes)
    }

    /// A file piece by piece.
    pub fn stream<'a>(&'a mut self, name: &'a str) -> Result<Stream<'a>, Fault> {
        let missing = |error: &dyn std::fmt::Display| {
            Fault::of_file(name, ("the file is missing", "缺少该文件")).because(error)
        };
        let file = self.zip.by_name(name).map_err(|error| missing(&error))?;
        Ok(Stream { file, hash: Sha256::new(), bytes: 0, name })
    }
}

/// How many files an archive says that it has, at its very end: we write no comment behind it.
fn entries_told(reader: &mut BufReader<File>) -> std::io::Result<usize> {
    let mut end = [0; 22];
    reader.seek(SeekFrom::End(-22))?;
    reader.read_exact(&mut end)?;
    reader.rewind()?;
    let [b'P', b'K', 5, 6, _, _, _, _, _, _, low, high, ..] = end else { return Ok(0) };
    Ok(usize::from(u16::from_le_bytes([low, high])))
}

impl Stream<'_> {
    /// The next leaf into a buffer.
    pub fn leaf(&mut self, buffer: &mut Vec<u8>) -> Result<(), Fault> {
        let mut length = [0; 4];
        self.exactly(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).ok();
        let Some(length) = length.filter(|length| *length <= limits::BUNDLE_LEAF_BYTES_MAX) else {
            return Err(Fault::of_file(self.name, ("a leaf is too long", "叶子过长")));
        };
        buffer.resize(length, 0);
        self.exactly(buffer)
    }

    fn exactly(&mut self, buffer: &mut [u8]) -> Result<(), Fault> {
        self.file.read_exact(buffer).map_err(|error| damaged(self.name, &error))?;
        self.hash.update(&*buffer);
        self.bytes = self.bytes.saturating_add(u64::try_from(buffer.len()).unwrap_or(0));
        Ok(())
    }

    /// Sees that nothing follows, and that the file is the one of the manifest.
    pub fn end(mut self, entry: &FileEntry) -> Result<(), Fault> {
        // Only at its end are the checksums of the archive compared.
        let more = self.file.read(&mut [0]).map_err(|error| damaged(self.name, &error))?;
        if more != 0 {
            return Err(Fault::of_file(
                self.name,
                ("more follows than the leaves", "叶子之后还有内容"),
            ));
        }
        compare(entry, self.hash.finalize().into(), self.bytes)
    }
}

fn compare(entry: &FileEntry, hash: [u8; 32], bytes: u64) -> Result<(), Fault> {
    if entry.sha256 == hex(&hash) && entry.bytes == bytes {
        return Ok(());
    }
    Err(Fault::of_file(
        &entry.name,
        ("the file is not the one that the manifest names", "文件与清单不符"),
    )
    .in_field("sha256"))
}

fn damaged(name: &str, error: &std::io::Error) -> Fault {
    Fault::of_file(name, ("the file is damaged or cut off", "文件损坏或不完整")).because(error)
}
