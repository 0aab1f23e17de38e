//! `#!` scripts (`execve(2)`, "Interpreter scripts"; fs/binfmt_script.c).

use crate::Errno;

/// Bytes at the start of a file that are looked at (BINPRM_BUF_SIZE).
pub(super) const LINE: usize = 256;

/// What the first line of a script says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'b> {
    /// Path of the interpreter.
    pub(super) interpreter: &'b [u8],
    /// Its optional argument: the rest of the line.
    pub(super) argument: Option<&'b [u8]>,
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Reads the first line; `None` when the file is no script.
///
/// # Errors
/// ENOEXEC when there is no interpreter on the line, or its path may be cut short.
pub(super) fn parse(bytes: &[u8; LINE]) -> Result<Option<Line<'_>>, Errno> {
    let Some(rest) = bytes.strip_prefix(b"#!") else { return Ok(None) };
    // The last byte of the buffer is never part of a line that does not end.
    let room = &rest[..rest.len() - 1];
    let line = match rest.iter().position(|&byte| byte == b'\n' || byte == 0) {
        Some(end) if rest[end] == b'\n' => trim_end(&rest[..end]),
        Some(end) if end < room.len() => &rest[..end],
        _ => {
            // A line without an end is accepted if the path ends in time.
            let start = room.iter().position(|&byte| !is_blank(byte)).ok_or(Errno::ENOEXEC)?;
            if !room[start..].iter().any(|&byte| is_blank(byte)) {
                return Err(Errno::ENOEXEC);
            }
            trim_end(room)
        }
    };
    let ended = line.len() < room.len() && rest[line.len()] == 0;
    let line = trim_start(line);
    // At the end of the file Linux finds an empty path instead of none.
    if line.is_empty() && !ended {
        return Err(Errno::ENOEXEC);
    }
    let end = line.iter().position(|&byte| is_blank(byte)).unwrap_or(line.len());
    let argument = if end < line.len() { Some(trim_start(&line[end..])) } else { None };
    Ok(Some(Line { interpreter: &line[..end], argument }))
}

fn trim_start(line: &[u8]) -> &[u8] {
    &line[line.iter().position(|&byte| !is_blank(byte)).unwrap_or(line.len())..]
}

fn trim_end(line: &[u8]) -> &[u8] {
    &line[..line.iter().rposition(|&byte| !is_blank(byte)).map_or(0, |last| last + 1)]
}

#[cfg(test)]
mod tests {
    use super::{LINE, Line, parse};
    use crate::Errno;

    fn line(text: &[u8]) -> [u8; LINE] {
        let mut bytes = [0; LINE];
        bytes[..text.len()].copy_from_slice(text);
        bytes
    }

    /// execve(2): "the optional-arg is passed as a single argument, including spaces".
    #[test]
    fn argument_is_one_string() {
        let bytes = line(b"#! /bin/sh\t-e  -x \nexit\n");
        let expected = Line { interpreter: b"/bin/sh", argument: Some(b"-e  -x") };
        assert_eq!(parse(&bytes), Ok(Some(expected)));
    }

    #[test]
    fn end_of_file_ends_the_line() {
        let expected = Line { interpreter: b"/bin/true", argument: None };
        assert_eq!(parse(&line(b"#!/bin/true")), Ok(Some(expected)));
    }

    #[test]
    fn other_files_are_no_scripts() {
        assert_eq!(parse(&line(b"# !/bin/sh\n")), Ok(None));
        assert_eq!(parse(&line(b"#")), Ok(None));
    }

    #[test]
    fn line_without_interpreter_is_no_program() {
        assert_eq!(parse(&line(b"#!\n")), Err(Errno::ENOEXEC));
        assert_eq!(parse(&line(b"#! \t \nls\n")), Err(Errno::ENOEXEC));
        let empty = Line { interpreter: b"", argument: None };
        assert_eq!(parse(&line(b"#!")), Ok(Some(empty)));
    }

    /// execve(2): since Linux 5.1 the limit is 255 characters; a path cut there is not executed, a
    /// cut argument is passed on.
    #[test]
    fn long_lines_are_cut_after_the_path() {
        let mut bytes = [b'x'; LINE];
        bytes[..3].copy_from_slice(b"#!/");
        assert_eq!(parse(&bytes), Err(Errno::ENOEXEC));
        bytes[10] = b' ';
        let line = parse(&bytes).unwrap().unwrap();
        assert_eq!(line.interpreter, b"/xxxxxxx");
        assert_eq!(line.argument.map(<[u8]>::len), Some(255 - 11));
    }
}
