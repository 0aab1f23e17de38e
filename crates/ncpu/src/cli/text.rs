//! The long texts of `--help`.

pub(super) const ABOUT: &str = "\
A whole computer for ARM64 Linux programs.

ncpu runs unmodified ARM64 Linux programs, on any host, in a machine of its own: processor, memory, \
system calls, processes, files and terminal are inside it, and nothing of the host can be reached \
that was not given to it. The machine is exact and repeatable: the same program with the same input \
gives the same bytes, the same instruction count and the same state hash in every run.";

pub(super) const AFTER: &str = "\
Examples:
  ncpu run ./hello                              a static program of the host
  ncpu run --rootfs debian.tar ls -l /          a program of a root file system
  ncpu run -it --rootfs debian.tar bash         a shell at this terminal
  ncpu run --report json --fuel 1g ./program    figures, and a bound on the run
  ncpu batch --input-dir inputs ./program       one machine for each file, on all cores
  ncpu run --alu neural ./program               arithmetic by networks that are proved right
  ncpu inspect ./program                        what it is, and what it needs
  ncpu asm run --trace gcd.ncpu                 a program in nCPU assembly, step by step

`ncpu help run` explains exit statuses, the environment and the terminal.";

pub(super) const RUN: &str = "\
Run a program in a new machine.

With --rootfs, PROGRAM is a path inside the root file system, or a name to be looked up in the PATH \
of the program's environment. If a container image says how it wants to be run (entry point, \
command, environment, working directory, user), that is honoured as docker does.

Without --rootfs, PROGRAM is a file of the host: a statically linked ARM64 ELF file.";

pub(super) const BATCH: &str = "\
Run a program in many machines, each with an input of its own.

All machines start as one that was booted with PROGRAM as `ncpu run` does it, but with small tables and \
little memory, and so many of them run at a time as there are processor cores, or as fit a GPU. When \
one ends, the next input takes its place and its result is written: how it ended, what it wrote, its instruction count and \
its state hash. These are exactly those of `ncpu run` with this input, --mem and --limit.";

pub(super) const AFTER_BATCH: &str = "\
Lines of a --jsonl FILE are objects, all of whose fields may be left out:
  id              a name for the result [default: the number of the line's machine, from 0]
  stdin           standard input
  stdin_base64    the same in base64
  args            strings, which replace the arguments after PROGRAM
  env             an object of variables to set
  files           an object of files to make: from an absolute path to the file's text, or to an
                  object with text or base64, and mode (in octal; default \"0644\")

Results, in the order in which machines end, have the fields:
  index, label    number of the input from 0; file name, id, or number of the range
  ended           exited, signalled, fuel, timeout, deadlock, or failed: there was no machine
  exit, signal    exit status; number of the signal that ended the program
  instructions    retired since boot
  state_hash      128 bits in hexadecimal
  stdout, stderr  what it wrote, if that is UTF-8; else stdout_base64, stderr_base64
  truncated       whether it wrote more than --output-limit
  error           why it failed

Table sizes that --limit changes:
  tasks=32,mappings=1024,files=256,inodes=1024,dentries=1024,objects=32,console=4096

Examples:
  ncpu batch --stdin-range 0..1000 ./program
  ncpu batch --input-dir corpus --out results.jsonl --fuel 100m ./program
  ncpu batch --jsonl cases.jsonl --rootfs debian.tar --mem 64M python3 -
  ncpu batch --input-dir corpus --out results.jsonl --resume --fuel 100m ./program

Ctrl-C ends the batch; results of machines that have ended are kept, and --resume goes on with the \
rest. A second Ctrl-C ends it at once.

Exit status:
  0        all machines ran to their end, whatever their own statuses
  124      some were ended by --fuel or --timeout, or wait for something that cannot happen
  125      some failed, as for an unreadable input; or ncpu itself failed
  126      the program was found but cannot be executed
  127      the program was not found
  130      Ctrl-C ended the batch
  141      the reader of standard output is gone";

pub(super) const RESUME: &str = "\
Go on from a snapshot.

The root file system has to be the one that the machine was run with; it is not part of the \
snapshot. A machine that goes on gives the same output, instruction count and state hash as one that \
was never interrupted. Output that the guest had written but the machine had not yet passed on is \
part of the snapshot and comes now.

Standard input that the machine has had before is part of the snapshot too. When the whole input is \
given again as a regular file, that much of it is skipped; anything else is what comes next.";

pub(super) const EXPORT: &str = "\
Write what a machine changed in its root file system as a tar archive.

The machine is that of a snapshot (`ncpu run --snapshot FILE --snapshot-at COUNT|input`). The archive has \
the form of a container image's layer: files that are new or changed, whole, and an empty file `.wh.NAME` \
for each NAME that was removed. `ncpu run --export FILE` writes the same when a run is over.";

pub(super) const AFTER_RUN: &str = "\
Environment of the program:
  PATH     /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  HOME     the user's home directory in the guest's /etc/passwd, else /
  HOSTNAME with --hostname, its value
  TERM     with -t, xterm
then what a container image sets, then --env-file, then --env. Nothing else of the host's \
environment is passed on.

Terminal:
  With -t the guest's standard streams are a terminal, at /dev/pts/0. With -it it is this terminal: \
all keys go to the guest, Ctrl-C and Ctrl-Z too, and the guest learns of changes of its size. To end \
a machine that does not listen, press Ctrl-] three times within one second. Without -i, a terminal \
reads its keys from standard input as fast as the guest takes them, and Ctrl-D at its end.

Exit status:
  0-255    the program's own
  128 + n  signal n ended the program (130: it was Ctrl-C, or Ctrl-] ended the machine)
  124      --fuel or --timeout ended the run
  125      ncpu itself failed, or every task of the machine waits for something that cannot happen
  126      the program was found but cannot be executed
  127      the program was not found
  141      the reader of standard output is gone

Environment of ncpu:
  XDG_CACHE_HOME  root file systems are kept packed in its folder ncpu/rootfs (default: ~/.cache)
  NO_COLOR        no colours in messages";

pub(super) const INSPECT: &str = "\
Show what an ELF file is and which of its instructions the machine does not know.

Prints the header, segments, interpreter, needed libraries, notes, sections, a count of symbols, how \
the file is hardened, and every instruction word in its executable sections that would raise \
SIGILL: grouped, with counts, the first address and the symbol before it. Data that symbols mark as \
such is left out. Most such words are data that nothing marks, or belong to functions that a \
program chooses only when the processor announces the extension.";

pub(super) const DISASM: &str = "\
Disassemble an ELF file.

Prints the executable sections, or one function, or a range of addresses, an instruction a line. \
With --uops, the micro-ops that the machine executes for it follow.";

pub(super) const TRAIN: &str = "\
Train every cell of the neural ALU and write its weight files.

Each cell is trained by gradient descent on all of its inputs, and rounded to small integers. The same seed \
gives the same files. Beside them, curves.csv and curves.svg show loss and margin over the steps. The new \
weights are used when `ncpu verify alu` has proved them.

Training needs a build with the feature `train`: cargo build --release --features train";

pub(super) const VERIFY: &str = "\
Prove the weight files right and write the certificate into them.

Every cell is evaluated on all of its inputs. Every operation that is composed of cells is proved equal to \
Rust's for all operands: with binary decision diagrams, and by induction for multiplication and division. \
docs/neural.md says what the proof rests on. When something is wrong, the input that goes wrong is named, \
and the exit status is 1.

Beside the proof, --exhaustive compares 69 billion results with Rust's, of all pairs of operands of 16 bits:

  ncpu verify alu --check --exhaustive --engine gpu
  ncpu verify alu --check --exhaustive --first-operands 0..16";

pub(super) const TRAIN_MATH: &str = "\
Train the networks of elementary functions and write their weight files.

Each network learns a smooth function on a short interval and is rounded to integers. The same seed gives \
the same files. Beside them, curves.csv has the error over the steps. The new weights are used when \
`ncpu verify math` has checked them.

Training needs a build with the feature `train`: cargo build --release --features train";

pub(super) const VERIFY_MATH: &str = "\
Check the error bounds of elementary functions on every input and write the certificate into the weight files.

sqrt, exp and log are evaluated for all 2^32 single-precision numbers, sin and cos for all that are not \
negative, and the network of atan2 for all of its inputs; docs/math.md says how a bound for all pairs of \
arguments follows. Errors are in units of the last place of the exact value. When one is beyond its bound, or \
weights were changed since they were checked, the exit status is 1. On two cores, this takes minutes.";

pub(super) const MATH: &str = "\
Compute an elementary function by its trained network.

Prints the result, the exact value, and the error in units of the last place with the bound that was checked.

  ncpu math sin 1e9
  ncpu math atan2 -1 2";

pub(super) const COMPLETIONS: &str = "\
Print a completion script for a shell.

  bash:  ncpu completions bash > ~/.local/share/bash-completion/completions/ncpu
  zsh:   ncpu completions zsh > \"${fpath[1]}/_ncpu\"
  fish:  ncpu completions fish > ~/.config/fish/completions/ncpu.fish";
