//! Rows as a Parquet file (<https://parquet.apache.org/docs/file-format/>).
//!
//! Rows are collected to groups. A group is encoded in memory and written at once, so that the file
//! can be cut behind the last one that is whole; a footer makes it readable.

use super::figures::ended;
use super::results::{Results, details, hash, is_truncated};
use ncpu_engine::batch::Finished;
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataWriter};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};

/// As in the lines of JSON, but for the streams, which are bytes.
const SCHEMA: &str = "message machine {
    required int64 index (integer(64, false));
    required binary label (utf8);
    required binary ended (utf8);
    optional int32 exit (integer(8, false));
    optional int32 signal (integer(8, false));
    required int64 instructions (integer(64, false));
    optional binary state_hash (utf8);
    required binary stdout;
    required binary stderr;
    required boolean truncated;
    optional binary error (utf8);
}";

/// Rows of a group.
const GROUP_ROWS: usize = 8192;
/// Bytes of streams that end a group too.
const GROUP_BYTES: usize = 16 << 20;

/// Where the encoder writes.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn take(&self) -> Vec<u8> {
        take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A Parquet file that is being written.
pub(super) struct Parquet {
    file: File,
    schema: SchemaDescPtr,
    encoder: SerializedFileWriter<Memory>,
    encoded: Memory,
    waiting: Vec<Finished>,
    waiting_bytes: usize,
    /// What is whole in the file: bytes, groups and rows.
    bytes: u64,
    groups: usize,
    rows: u64,
}

fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    }
}

impl Parquet {
    pub(super) fn new(file: File) -> io::Result<Parquet> {
        let schema = Arc::new(parse_message_type(SCHEMA).map_err(failed)?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let encoded = Memory::default();
        let encoder =
            SerializedFileWriter::new(encoded.clone(), Arc::clone(&schema), Arc::new(properties));
        Ok(Parquet {
            file,
            schema: Arc::new(SchemaDescriptor::new(schema)),
            encoder: encoder.map_err(failed)?,
            encoded,
            waiting: Vec::new(),
            waiting_bytes: 0,
            bytes: 0,
            groups: 0,
            rows: 0,
        })
    }

    /// Writes the rows that wait as a group.
    fn write_group(&mut self) -> io::Result<()> {
        let rows = take(&mut self.waiting);
        self.waiting_bytes = 0;
        if rows.is_empty() {
            return Ok(());
        }
        encode(&mut self.encoder, &rows).map_err(failed)?;
        let encoded = self.encoded.take();
        self.file.write_all(&encoded)?;
        self.bytes += encoded.len() as u64;
        self.groups += 1;
        self.rows += rows.len() as u64;
        Ok(())
    }

    /// Writes the footer for the groups in the file.
    fn write_footer(&mut self) -> io::Result<()> {
        let metadata = ParquetMetaData::new(
            FileMetaData::new(
                1,
                self.rows as i64,
                Some(concat!("ncpu ", env!("CARGO_PKG_VERSION")).to_owned()),
                None,
                Arc::clone(&self.schema),
                None,
            ),
            self.encoder.flushed_row_groups()[..self.groups].to_vec(),
        );
        // Without a group, the file lacks the magic number that comes first.
        let mut footer = if self.groups == 0 { b"PAR1".to_vec() } else { Vec::new() };
        ParquetMetaDataWriter::new(&mut footer, &metadata).finish().map_err(failed)?;
        self.file.write_all(&footer)
    }
}

impl Results for Parquet {
    fn push(&mut self, finished: Finished) -> io::Result<()> {
        self.waiting_bytes += finished.stdout.bytes.len() + finished.stderr.bytes.len();
        self.waiting.push(finished);
        if self.waiting.len() >= GROUP_ROWS || self.waiting_bytes >= GROUP_BYTES {
            self.write_group()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> std::result::Result<u64, (u64, io::Error)> {
        match self.write_group().and_then(|()| self.write_footer()) {
            Ok(()) => Ok(self.rows),
            Err(error) => Err((self.abandon(), error)),
        }
    }

    fn abandon(mut self: Box<Self>) -> u64 {
        // What is cut off leaves room for the footer.
        let cut = self.file.set_len(self.bytes);
        let at_end = cut.and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
        match at_end.and_then(|_| self.write_footer()) {
            Ok(()) => self.rows,
            Err(_) => 0,
        }
    }
}

/// Encodes a group of rows.
fn encode(encoder: &mut SerializedFileWriter<Memory>, rows: &[Finished]) -> Result<()> {
    let mut group = encoder.next_row_group()?;
    let required =
        |bytes: &dyn Fn(&Finished) -> ByteArray| rows.iter().map(bytes).collect::<Vec<_>>();
    let number = |number: &dyn Fn(&Finished) -> u64| {
        // The same 64 bits: the schema says that they have no sign.
        rows.iter().map(|row| number(row) as i64).collect::<Vec<_>>()
    };
    let text = |text: &str| ByteArray::from(text);
    column::<Int64Type>(&mut group, &number(&|row| row.index), None)?;
    column::<ByteArrayType>(&mut group, &required(&|row| text(&row.label)), None)?;
    column::<ByteArrayType>(&mut group, &required(&|row| text(ended(&row.outcome))), None)?;
    let details: Vec<_> = rows.iter().map(|row| details(&row.outcome)).collect();
    optional::<Int32Type, _>(&mut group, &details, |&(exit, ..)| exit.map(i32::from))?;
    optional::<Int32Type, _>(&mut group, &details, |&(_, signal, _)| signal.map(i32::from))?;
    column::<Int64Type>(&mut group, &number(&|row| row.instructions), None)?;
    optional::<ByteArrayType, _>(&mut group, rows, |row| hash(row).map(|hash| text(&hash)))?;
    let bytes = |bytes: &[u8]| ByteArray::from(bytes.to_vec());
    column::<ByteArrayType>(&mut group, &required(&|row| bytes(&row.stdout.bytes)), None)?;
    column::<ByteArrayType>(&mut group, &required(&|row| bytes(&row.stderr.bytes)), None)?;
    let truncated: Vec<_> = rows.iter().map(is_truncated).collect();
    column::<BoolType>(&mut group, &truncated, None)?;
    optional::<ByteArrayType, _>(&mut group, &details, |&(_, _, error)| error.map(text))?;
    group.close()?;
    encoder.flush()?;
    Ok(())
}

/// Encodes the next column. Of an optional one, `levels` has 1 for each row with a value, else 0.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Memory>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<()> {
    let mut column = group
        .next_column()?
        .ok_or_else(|| ParquetError::General("more columns than in the schema".into()))?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

fn optional<T: DataType, R>(
    group: &mut SerializedRowGroupWriter<'_, Memory>,
    rows: &[R],
    value: impl Fn(&R) -> Option<T::T>,
) -> Result<()> {
    let values: Vec<_> = rows.iter().map(value).collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<_> = values.into_iter().flatten().collect();
    column::<T>(group, &values, Some(&levels))
}

#[cfg(test)]
mod tests {
    use super::Parquet;
    use crate::batch::results::Results;
    use ncpu_engine::batch::{Captured, Finished, Outcome};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use std::fs::File;

    fn row(index: u64, outcome: Outcome) -> Finished {
        Finished {
            outcome,
            instructions: 7 * index,
            state_hash: index.into(),
            stdout: Captured { bytes: vec![0xff, index as u8], written: 2 },
            ..Finished::failed(index, format!("row {index}"), String::new())
        }
    }

    fn read(file: &File) -> Vec<String> {
        let reader = SerializedFileReader::new(file.try_clone().unwrap()).unwrap();
        reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect()
    }

    #[test]
    fn what_is_written_can_be_read() {
        let file = tempfile::tempfile().unwrap();
        let mut parquet = Box::new(Parquet::new(file.try_clone().unwrap()).unwrap());
        parquet.push(row(0, Outcome::Exited(3))).unwrap();
        parquet.push(row(1, Outcome::Failed("why".into()))).unwrap();
        parquet.write_group().unwrap();
        parquet.push(row(2, Outcome::Signalled(11))).unwrap();
        assert_eq!(parquet.finish().unwrap(), 3);
        let rows = read(&file);
        for (row, words) in rows.iter().zip([
            ["index: 0", "exit: 3", "signal: null", "instructions: 0", "error: null"],
            ["index: 1", "ended: \"failed\"", "state_hash: null", "instructions: 7", "\"why\""],
            ["index: 2", "signal: 11", "exit: null", "instructions: 14", "\"row 2\""],
        ]) {
            words.iter().for_each(|word| assert!(row.contains(word), "{word}: {row}"));
        }
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn whole_groups_are_kept() {
        let file = tempfile::tempfile().unwrap();
        let mut parquet = Box::new(Parquet::new(file.try_clone().unwrap()).unwrap());
        assert!(parquet.write_group().is_ok());
        parquet.push(row(0, Outcome::Fuel)).unwrap();
        parquet.write_group().unwrap();
        // As if the disk had been full after a part of the next group.
        std::io::Write::write_all(&mut parquet.file, &[1; 1000]).unwrap();
        parquet.push(row(1, Outcome::Fuel)).unwrap();
        assert_eq!(parquet.abandon(), 1);
        assert_eq!(read(&file).len(), 1);

        let file = tempfile::tempfile().unwrap();
        assert_eq!(Box::new(Parquet::new(file.try_clone().unwrap()).unwrap()).finish().unwrap(), 0);
        assert_eq!(read(&file).len(), 0);
    }
}
