//! Terminal attributes and terminal ioctls (asm-generic `termbits.h`, `ioctls.h`; `termios(3)`,
//! `ioctl_tty(2)`).

use crate::user::UserRecord;

macro_rules! bits {
    ($($name:ident $value:literal $text:literal;)*) => {
        $(#[doc = $text] pub const $name: u32 = $value;)*
    };
}

/// Input modes.
pub mod input {
    bits! {
        PARMRK 0o10 "Mark bytes with errors; 0xff is doubled.";
        ISTRIP 0o40 "Strip the eighth bit.";
        INLCR 0o100 "Translate NL to CR.";
        IGNCR 0o200 "Ignore CR.";
        ICRNL 0o400 "Translate CR to NL.";
        IUCLC 0o1000 "Map upper case to lower case.";
        IXON 0o2000 "STOP and START control the output.";
        IXANY 0o4000 "Any character starts stopped output.";
        IUTF8 0o40000 "Input is UTF-8: erase whole characters.";
    }
}

/// Output modes.
pub mod output {
    bits! {
        OPOST 0o1 "Process the output.";
        OLCUC 0o2 "Map lower case to upper case.";
        ONLCR 0o4 "Write CR NL for NL.";
        OCRNL 0o10 "Write NL for CR.";
        ONOCR 0o20 "No CR at column 0.";
        ONLRET 0o40 "NL also returns to column 0.";
        XTABS 0o14000 "Write spaces for tabs.";
    }
}

/// Local modes.
pub mod local {
    bits! {
        ISIG 0o1 "INTR, QUIT and SUSP send signals.";
        ICANON 0o2 "Input comes in lines that can be edited.";
        ECHO 0o10 "Echo the input.";
        ECHOE 0o20 "Erasing wipes the character from the screen.";
        ECHOK 0o40 "Killing the line echoes NL.";
        ECHONL 0o100 "Echo NL even without ECHO.";
        NOFLSH 0o200 "Signals do not flush the queues.";
        TOSTOP 0o400 "Output of background groups stops them.";
        ECHOCTL 0o1000 "Echo control characters as ^X.";
        ECHOPRT 0o2000 "Print characters as they are erased.";
        ECHOKE 0o4000 "Killing wipes the line from the screen.";
        IEXTEN 0o100000 "WERASE, LNEXT, REPRINT and EOL2 work.";
        EXTPROC 0o200000 "Lines are edited elsewhere.";
    }
}

/// Positions in [`Termios::cc`].
pub mod cc {
    macro_rules! positions {
        ($($name:ident $value:literal $text:literal;)*) => {
            $(#[doc = $text] pub const $name: usize = $value;)*
        };
    }
    positions! {
        VINTR 0 "SIGINT.";
        VQUIT 1 "SIGQUIT.";
        VERASE 2 "Erase a character.";
        VKILL 3 "Erase the line.";
        VEOF 4 "End of file.";
        VTIME 5 "Timeout in tenths of a second.";
        VMIN 6 "Bytes that a read waits for.";
        VSTART 8 "Start output.";
        VSTOP 9 "Stop output.";
        VSUSP 10 "SIGTSTP.";
        VEOL 11 "Another end of line.";
        VREPRINT 12 "Print the line again.";
        VWERASE 14 "Erase a word.";
        VLNEXT 15 "Take the next character literally.";
        VEOL2 16 "Yet another end of line.";
    }
}

/// Terminal attributes: `struct termios2`, of which `struct termios` is the first 36 bytes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Termios {
    /// Bits of [`input`].
    pub iflag: u32,
    /// Bits of [`output`].
    pub oflag: u32,
    /// Character size, speed and so on; kept, without effect.
    pub cflag: u32,
    /// Bits of [`local`].
    pub lflag: u32,
    /// Line discipline.
    pub line: u8,
    /// Special characters, at the positions of [`cc`]; 0 disables one.
    pub cc: [u8; 19],
    /// Input speed.
    pub ispeed: u32,
    /// Output speed.
    pub ospeed: u32,
}

impl Termios {
    /// Bytes of `struct termios`.
    pub const OLD_BYTES: usize = 36;
    /// CBAUD and CBAUDEX in `cflag`.
    pub const SPEED: u32 = 0o10017;

    /// What a new terminal has (`tty_std_termios` in the kernel).
    pub const STANDARD: Termios = Termios {
        iflag: input::ICRNL | input::IXON,
        oflag: output::OPOST | output::ONLCR,
        // B38400, CS8, CREAD.
        cflag: 0o17 | 0o60 | 0o200,
        lflag: local::ISIG
            | local::ICANON
            | local::ECHO
            | local::ECHOE
            | local::ECHOK
            | local::ECHOCTL
            | local::ECHOKE
            | local::IEXTEN,
        line: 0,
        cc: [
            0x03, 0x1c, 0x7f, 0x15, 0x04, 0, 1, 0, 0x11, 0x13, 0x1a, 0, 0x12, 0x0f, 0x17, 0x16, 0,
            0, 0,
        ],
        ispeed: 38400,
        ospeed: 38400,
    };
}

/// The speed that a `cflag` stands for, `None` for BOTHER (it is in the speed fields).
pub const fn speed(cflag: u32) -> Option<u32> {
    const SLOW: [u32; 16] =
        [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];
    const FAST: [u32; 15] = [
        57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000,
        2500000, 3000000, 3500000, 4000000,
    ];
    let index = (cflag & 0o17) as usize;
    match cflag & Termios::SPEED {
        0o10000 => None,
        low if low < 0o20 => Some(SLOW[index]),
        _ => Some(FAST[index - 1]),
    }
}

// SAFETY: integers; the 20 bytes in the middle keep the rest aligned without padding.
unsafe impl UserRecord for Termios {}

/// `struct winsize`: rows, columns, and both in pixels.
pub type WindowSize = [u16; 4];

bits! {
    TCGETS 0x5401 "Get the attributes.";
    TCSETS 0x5402 "Set the attributes.";
    TCSETSW 0x5403 "Set them after the output has drained.";
    TCSETSF 0x5404 "Also flush the input.";
    TCSBRK 0x5409 "Send a break, or wait for the output to drain.";
    TCXONC 0x540a "Stop or start output or input.";
    TCFLSH 0x540b "Flush queues.";
    TIOCEXCL 0x540c "Refuse further opens.";
    TIOCNXCL 0x540d "Allow further opens.";
    TIOCSCTTY 0x540e "Make it the controlling terminal.";
    TIOCGPGRP 0x540f "Get the foreground process group.";
    TIOCSPGRP 0x5410 "Set the foreground process group.";
    TIOCOUTQ 0x5411 "Bytes of output not yet sent.";
    TIOCSTI 0x5412 "Insert a byte into the input.";
    TIOCGWINSZ 0x5413 "Get the window size.";
    TIOCSWINSZ 0x5414 "Set the window size.";
    FIONREAD 0x541b "Bytes that can be read (TIOCINQ).";
    TIOCPKT 0x5420 "Set packet mode.";
    TIOCNOTTY 0x5422 "Give up the controlling terminal.";
    TIOCSETD 0x5423 "Set the line discipline.";
    TIOCGETD 0x5424 "Get the line discipline.";
    TCSBRKP 0x5425 "Send a break of some length.";
    TIOCGSID 0x5429 "Get the session.";
    TCGETS2 0x802c542a "Get the attributes with speeds.";
    TCSETS2 0x402c542b "Set the attributes with speeds.";
    TCSETSW2 0x402c542c "Set them after the output has drained.";
    TCSETSF2 0x402c542d "Also flush the input.";
    TIOCGPTN 0x80045430 "Number of the pseudo-terminal.";
    TIOCSPTLCK 0x40045431 "Lock or unlock the other side.";
    TIOCGDEV 0x80045432 "Device number.";
    TIOCSIG 0x40045436 "Send a signal to the foreground group.";
    TIOCGPKT 0x80045438 "Get packet mode.";
    TIOCGPTLCK 0x80045439 "Whether the other side is locked.";
    TIOCGEXCL 0x80045440 "Whether further opens are refused.";
}
