//! Writes a bundle file by file, into a temporary file that takes its name once it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::manifest::{FileEntry, MANIFEST_FILE, Manifest, SIGNATURE_FILE};
use super::text::hex;

/// A bundle on its way.
pub struct BundleWriter {
    zip: Option<ZipWriter<BufWriter<File>>>,
    target: PathBuf,
    making: PathBuf,
    files: Vec<FileEntry>,
    current: Option<(String, Sha256, u64)>,
}

/// A bundle that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write the bundle {}", .path.display())]
pub struct WriteFault {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl std::fmt::Debug for BundleWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleWriter").field("target", &self.target).finish_non_exhaustive()
    }
}

impl BundleWriter {
    /// Begins a bundle that will have this name. Only its owner can read it.
    pub fn create(target: &Path) -> Result<Self, WriteFault> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let making = target.with_file_name(format!(".{name}.making-{}", std::process::id()));
        let failed = failed(&making);
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&making).map_err(&failed)?;
        Ok(Self {
            zip: Some(ZipWriter::new(BufWriter::with_capacity(1 << 20, file))),
            target: target.to_path_buf(),
            making: making.clone(),
            files: Vec::new(),
            current: None,
        })
    }

    /// Adds a whole file.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), WriteFault> {
        self.begin(name)?;
        self.write(bytes)?;
        self.end();
        Ok(())
    }

    /// Begins a file; the one before must have ended.
    pub fn begin(&mut self, name: &str) -> Result<(), WriteFault> {
        // Of no date, so that the same contents are the same file, and quickly packed: bundles are large.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(1))
            .last_modified_time(zip::DateTime::default());
        let failed = failed(&self.making);
        if let Some(zip) = &mut self.zip {
            zip.start_file(name, options).map_err(|error| failed(error.into()))?;
        }
        self.current = Some((name.to_owned(), Sha256::new(), 0));
        Ok(())
    }

    /// Writes more of the file that was begun.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WriteFault> {
        let failed = failed(&self.making);
        if let (Some(zip), Some((_, hash, length))) = (&mut self.zip, &mut self.current) {
            zip.write_all(bytes).map_err(failed)?;
            hash.update(bytes);
            *length = length.saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
        }
        Ok(())
    }

    /// Ends the file that was begun.
    pub fn end(&mut self) {
        if let Some((name, hash, bytes)) = self.current.take() {
            let hash: [u8; 32] = hash.finalize().into();
            self.files.push(FileEntry { name, sha256: hex(&hash), bytes });
        }
    }

    /// Adds the manifest, signed, and gives the bundle its name.
    pub fn finish(
        mut self,
        mut manifest: Manifest,
        sign: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> Result<u64, WriteFault> {
        let failed = failed(&self.making);
        manifest.files = std::mem::take(&mut self.files);
        let mut bytes = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
        bytes.push(b'\n');
        let signature = sign(&bytes);
        self.add(MANIFEST_FILE, &bytes)?;
        self.add(SIGNATURE_FILE, &signature)?;
        let Some(zip) = self.zip.take() else { return Ok(0) };
        let written = zip.finish().map_err(|error| failed(error.into()))?;
        let file = written.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(&failed)?;
        let length = file.metadata().map_err(&failed)?.len();
        fs::rename(&self.making, &self.target).map_err(&failed)?;
        Ok(length)
    }
}

impl Drop for BundleWriter {
    fn drop(&mut self) {
        // Renamed where it was finished; else nobody wants the half of it.
        self.zip = None;
        fs::remove_file(&self.making).ok();
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> WriteFault + use<> {
    let path = path.to_path_buf();
    move |source| WriteFault { path: path.clone(), source }
}
