//! The interactive terminal, seen from a pseudo-terminal (`man 7 pty`).

mod support;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use support::{CAT, FOREVER, Folder, HELLO, ncpu};

const PATIENCE: Duration = Duration::from_secs(20);

/// Makes a test for each engine of each function.
macro_rules! on_every_engine {
    ($($test:ident)*) => {
        mod on_the_processor {
            $(#[test]
            fn $test() {
                super::$test("cpu");
            })*
        }
        mod on_an_emulated_gpu {
            $(#[test]
            fn $test() {
                super::$test("gpu-emulated");
            })*
        }
    };
}

on_every_engine! {
    the_terminal_is_restored_after_a_program
    keys_reach_the_guest_whose_terminal_echoes_them
    control_c_interrupts_a_busy_guest
    the_escape_ends_a_guest_that_does_not_listen
    signals_to_the_command_end_it_and_restore_the_terminal
    a_new_size_arrives
}

/// `ncpu run -it` of a program at a terminal of its own.
struct Session {
    keys: File,
    output: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    terminal: OwnedFd,
    child: Child,
}

impl Session {
    fn start(engine: &str, program: &Path) -> Session {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = || open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let terminal = slave();
        let child = ncpu()
            .args(["run", "-it", "--engine", engine])
            .arg(program)
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .unwrap();
        let keys = File::from(master);
        let (sender, output) = channel();
        let mut screen = keys.try_clone().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = screen.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Session { keys, output, seen: Vec::new(), terminal, child }
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Waits until a condition holds.
    fn wait_for(&mut self, what: &str, mut condition: impl FnMut(&mut Session) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(
                Instant::now() < deadline,
                "waiting for {what}, seen {:?}",
                String::from_utf8_lossy(&self.seen)
            );
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(5)) {
                self.seen.extend(bytes);
            }
        }
    }

    fn wait_for_text(&mut self, text: &str) {
        self.wait_for(text, |session| {
            session.seen.windows(text.len()).any(|window| window == text.as_bytes())
        });
    }

    fn wait_until_raw(&mut self) {
        self.wait_for("raw mode", |session| session.is_raw());
    }

    fn kill(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(mut self) -> ExitStatus {
        let mut status = None;
        self.wait_for("the end", |session| {
            status = session.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(!self.is_raw(), "the terminal was not restored");
        status.unwrap()
    }
}

fn the_terminal_is_restored_after_a_program(engine: &str) {
    let folder = Folder::new();
    let mut session = Session::start(engine, &folder.program("hello", HELLO));
    session.wait_for_text("hello\r\n");
    assert_eq!(session.end().code(), Some(7));
}

fn keys_reach_the_guest_whose_terminal_echoes_them(engine: &str) {
    let folder = Folder::new();
    let mut session = Session::start(engine, &folder.program("cat", CAT));
    session.wait_until_raw();
    session.keys.write_all(b"ab\x7fc\r").unwrap();
    // The echo with the erased letter, and the line that the program read.
    session.wait_for_text("ab\x08 \x08c\r\nac\r\n");
    session.keys.write_all(b"\x04").unwrap();
    assert_eq!(session.end().code(), Some(0));
}

fn control_c_interrupts_a_busy_guest(engine: &str) {
    let folder = Folder::new();
    let mut session = Session::start(engine, &folder.program("forever", FOREVER));
    session.wait_until_raw();
    thread::sleep(Duration::from_millis(100));
    session.keys.write_all(b"\x03").unwrap();
    assert_eq!(session.end().code(), Some(130));
}

fn the_escape_ends_a_guest_that_does_not_listen(engine: &str) {
    let folder = Folder::new();
    let mut session = Session::start(engine, &folder.program("forever", FOREVER));
    session.wait_until_raw();
    session.keys.write_all(b"\x1d\x1d\x1d").unwrap();
    session.wait_for_text("ended by Ctrl-]");
    assert_eq!(session.end().code(), Some(130));
}

fn signals_to_the_command_end_it_and_restore_the_terminal(engine: &str) {
    for (signal, number) in [(Signal::TERM, 15), (Signal::HUP, 1), (Signal::INT, 2)] {
        let folder = Folder::new();
        let mut session = Session::start(engine, &folder.program("forever", FOREVER));
        session.wait_until_raw();
        session.kill(signal);
        assert_eq!(session.end().signal(), Some(number));
    }
}

/// A program that waits for a byte, then writes the four bytes of rows and columns (little-endian)
/// that TIOCGWINSZ gives.
const SIZE: &[u32] = &[
    0xd100_43ff, // sub sp, sp, #16
    0xd280_0000, // mov x0, #0
    0x9100_03e1, // mov x1, sp
    0xd280_0022, // mov x2, #1
    0xd280_07e8, // mov x8, #63 (read)
    0xd400_0001, // svc #0
    0xd280_0000, // mov x0, #0
    0xd28a_8261, // mov x1, #0x5413 (TIOCGWINSZ)
    0x9100_03e2, // mov x2, sp
    0xd280_03a8, // mov x8, #29 (ioctl)
    0xd400_0001, // svc #0
    0xd280_0020, // mov x0, #1
    0x9100_03e1, // mov x1, sp
    0xd280_0082, // mov x2, #4
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0xd280_0000, // mov x0, #0
    0xd280_0ba8, // mov x8, #93 (exit)
    0xd400_0001, // svc #0
];

fn a_new_size_arrives(engine: &str) {
    let folder = Folder::new();
    let mut session = Session::start(engine, &folder.program("size", SIZE));
    session.wait_until_raw();
    // The test's terminal controls no session, so nobody but us sends the signal.
    let size = Winsize { ws_row: 0x4142, ws_col: 0x4344, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&session.terminal, size).unwrap();
    session.kill(Signal::WINCH);
    thread::sleep(Duration::from_millis(300));
    session.keys.write_all(b"x\r").unwrap();
    session.wait_for_text("BADC");
    assert_eq!(session.end().code(), Some(0));
}
