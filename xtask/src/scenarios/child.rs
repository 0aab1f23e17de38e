//! A child process with input, captured output, and a time limit.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How long output is awaited after the process itself has ended: a grandchild may hold a pipe.
const DRAIN: Duration = Duration::from_secs(2);

/// What a program did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// The exit status as a shell gives it: 128 + n for signal n.
    pub(crate) exit: i32,
    /// The time limit was reached and the process killed.
    pub(crate) timed_out: bool,
    /// Wall time.
    pub(crate) took: Duration,
}

/// The standard input of a child.
pub(crate) enum Input<'a> {
    /// These bytes, through a pipe.
    Bytes(&'a [u8]),
    /// A file from where it stands.
    File(File),
}

/// Runs `command` with `stdin` as its input and waits for it, at most for `limit`.
///
/// The child is killed with SIGKILL at the limit; its descendants are the caller's to contain.
pub(crate) fn run(command: &mut Command, stdin: Input<'_>, limit: Duration) -> Result<Outcome> {
    let start = Instant::now();
    let (input, bytes) = match stdin {
        Input::Bytes([]) => (Stdio::null(), Vec::new()),
        Input::Bytes(bytes) => (Stdio::piped(), bytes.to_vec()),
        Input::File(file) => (file.into(), Vec::new()),
    };
    let mut child = command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program may end without reading its input; the broken pipe is not an error.
        thread::spawn(move || _ = pipe.write_all(&bytes));
    }
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let (status, timed_out) = wait(&mut child, start + limit)?;
    let took = start.elapsed();
    let exit = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
    Ok(Outcome {
        stdout: stdout.recv_timeout(DRAIN).unwrap_or_default(),
        stderr: stderr.recv_timeout(DRAIN).unwrap_or_default(),
        exit,
        timed_out,
        took,
    })
}

/// Reads a pipe to its end on a thread of its own.
fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            _ = pipe.read_to_end(&mut bytes);
        }
        _ = sender.send(bytes);
    });
    receiver
}

/// Waits for the child until `deadline`, then kills it; true says that it had to be killed.
fn wait(child: &mut Child, deadline: Instant) -> Result<(std::process::ExitStatus, bool)> {
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, false));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            return Ok((child.wait()?, true));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, stdin: &str, limit: Duration) -> Outcome {
        run(Command::new("sh").args(["-c", script]), Input::Bytes(stdin.as_bytes()), limit).unwrap()
    }

    #[test]
    fn output_and_status_come_back() {
        let outcome = shell("cat; echo no >&2; exit 3", "yes", Duration::from_secs(10));
        assert_eq!(outcome.stdout, b"yes");
        assert_eq!(outcome.stderr, b"no\n");
        assert_eq!((outcome.exit, outcome.timed_out), (3, false));
    }

    #[test]
    fn a_signal_is_128_more() {
        assert_eq!(shell("kill -TERM $$", "", Duration::from_secs(10)).exit, 128 + 15);
    }

    #[test]
    fn the_limit_ends_a_program_that_does_not() {
        let outcome = shell("exec sleep 60", "", Duration::from_millis(50));
        assert_eq!((outcome.exit, outcome.timed_out), (128 + 9, true));
    }
}
