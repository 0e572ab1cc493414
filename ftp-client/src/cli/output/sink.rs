//! Standard output: buffered, shared between threads, and with its write errors kept.

use super::Voice;
use ftp_client::Error;
use std::io::{self, BufWriter, Write};
use std::sync::{Mutex, MutexGuard};
use wire::sync::lock;

/// A writer for lines from several threads. After its first error it drops further lines.
pub(crate) struct OutputWriter {
    state: Mutex<WriterState>,
}

struct WriterState {
    writer: BufWriter<Box<dyn Write + Send>>,
    error: Option<io::Error>,
}

/// The standard output of a background job: it is printed through the voice while the user types.
pub(super) struct OfVoice(pub(super) Voice);

/// How errors name standard output.
pub(crate) const STDOUT: &str = "standard output";

impl OutputWriter {
    pub(crate) fn new(writer: Box<dyn Write + Send>) -> Self {
        let writer = BufWriter::with_capacity(BUFFER_LEN, writer);
        Self { state: Mutex::new(WriterState { writer, error: None }) }
    }

    /// Takes whole lines.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.lock().attempt(|writer| writer.write_all(bytes))
    }

    pub(crate) fn flush(&self) -> io::Result<()> {
        self.lock().attempt(BufWriter::flush)
    }

    /// The first error, once.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.lock().error.take()
    }

    /// Locks the writer. A panic in another thread leaves no partial line.
    fn lock(&self) -> MutexGuard<'_, WriterState> {
        lock(&self.state)
    }
}

impl WriterState {
    fn attempt(
        &mut self,
        work: impl FnOnce(&mut BufWriter<Box<dyn Write + Send>>) -> io::Result<()>,
    ) -> io::Result<()> {
        if let Some(error) = &self.error {
            return Err(again(error));
        }
        let result = work(&mut self.writer);
        if let Err(error) = &result {
            self.error = Some(again(error));
        }
        result
    }
}

/// Passes on whole lines, as they are buffered.
impl Write for OfVoice {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let mut voice = lock(&self.0);
        voice(text.strip_suffix('\n').unwrap_or(&text));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `io::Error` cannot be cloned.
pub(crate) fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}

/// Returns the error of standard output.
pub(super) fn failed(source: io::Error) -> Error {
    Error::Local { path: STDOUT.to_owned(), source }
}

/// A page of a listing is not many times this, and a pipe takes as much at once.
const BUFFER_LEN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_first_error_is_kept() {
        let sink = OutputWriter::new(Box::new(Broken));
        assert!(sink.write(b"line\n").is_ok());
        assert!(sink.flush().is_err());
        assert!(sink.write(b"line\n").is_err());
        assert_eq!(sink.take_error().map(|error| error.kind()), Some(io::ErrorKind::BrokenPipe));
    }
}
