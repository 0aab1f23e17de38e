//! System V semaphores, message queues and shared memory (`sysvipc(7)`).

mod support;

use ncpu_linux::{Block, Errno};
use support::{Program, boot};

const IPC_CREAT: u64 = 0o1000;
const IPC_EXCL: u64 = 0o2000;
const IPC_NOWAIT: u64 = 0o4000;
const SEM_UNDO: u16 = 0x1000;
const GETVAL: u64 = 12;
const GETNCNT: u64 = 14;
const SETVAL: u64 = 16;

/// `struct sembuf` records.
fn operations(p: &mut Program<'_, '_>, list: &[(u16, i16, u16)]) -> u64 {
    let bytes: Vec<u8> = list
        .iter()
        .flat_map(|&(number, change, flags)| {
            [number.to_le_bytes(), change.to_le_bytes(), flags.to_le_bytes()].concat()
        })
        .collect();
    p.put(512, &bytes)
}

#[test]
fn keys_name_objects() {
    boot(false, |p| {
        assert_eq!(p.error(190, &[77, 2, 0]), Errno::ENOENT);
        let set = p.ok(190, &[77, 2, IPC_CREAT | 0o600]);
        assert_eq!(p.ok(190, &[77, 2, 0]), set);
        assert_eq!(p.error(190, &[77, 3, 0]), Errno::EINVAL);
        assert_eq!(p.error(190, &[77, 2, IPC_CREAT | IPC_EXCL]), Errno::EEXIST);
        assert_ne!(p.ok(190, &[0, 1, 0o600]), set);
        p.ok(191, &[set, 0, 0]);
        assert_eq!(p.error(191, &[set, 0, GETVAL]), Errno::EINVAL);
        // The record is used again, under another identifier.
        assert_ne!(p.ok(190, &[77, 2, IPC_CREAT | 0o600]), set);
    });
}

#[test]
fn semaphore_operations_are_done_together() {
    boot(false, |p| {
        let set = p.ok(190, &[0, 2, 0o600]);
        p.ok(191, &[set, 0, SETVAL, 3]);
        let both = operations(p, &[(0, -2, 0), (1, -1, IPC_NOWAIT as u16)]);
        assert_eq!(p.error(193, &[set, both, 2]), Errno::EAGAIN);
        assert_eq!(p.ok(191, &[set, 0, GETVAL]), 3);
        let both = operations(p, &[(0, -2, 0), (1, 1, 0)]);
        p.ok(193, &[set, both, 2]);
        assert_eq!(p.ok(191, &[set, 0, GETVAL]), 1);
        assert_eq!(p.ok(191, &[set, 1, GETVAL]), 1);
        let wrong = operations(p, &[(2, 1, 0)]);
        assert_eq!(p.error(193, &[set, wrong, 1]), Errno::EFBIG);
        let large = operations(p, &[(0, 32767, 0)]);
        assert_eq!(p.error(193, &[set, large, 1]), Errno::ERANGE);
    });
}

#[test]
fn semaphores_are_waited_for_and_undone() {
    boot(false, |p| {
        let set = p.ok(190, &[0, 1, 0o600]);
        let parent = p.k.current();
        p.fork();
        let child = p.k.current();
        let up = operations(p, &[(0, 1, SEM_UNDO)]);
        p.ok(193, &[set, up, 1]);
        p.switch(parent);
        let down = operations(p, &[(0, -2, 0)]);
        p.sleeps(193, &[set, down, 1]);
        p.k.tasks[parent].state = 2;
        p.k.tasks[parent].channel = ncpu_linux::Channel::SystemV(set as u32).key();
        p.switch(child);
        assert_eq!(p.ok(191, &[set, 0, GETNCNT]), 1);
        // What the child added goes with it.
        assert_eq!(p.call(94, &[0]), Err(Block::NoReturn));
        p.switch(parent);
        assert_eq!(p.ok(191, &[set, 0, GETVAL]), 0);
    });
}

/// msgsnd(2).
fn send(p: &mut Program<'_, '_>, queue: u64, class: u64, text: &[u8], flags: u64) -> Errno {
    let message = p.put(0, &[&class.to_le_bytes()[..], text].concat());
    match p.call(189, &[queue, message, text.len() as u64, flags]) {
        Ok(_) => Errno(0),
        Err(Block::Error(errno)) => errno,
        other => panic!("msgsnd: {other:?}"),
    }
}

/// msgrcv(2): type and text.
fn receive(p: &mut Program<'_, '_>, queue: u64, room: u64, class: i64) -> (u64, Vec<u8>) {
    let buffer = p.buffer;
    let len = p.ok(188, &[queue, buffer, room, class as u64, IPC_NOWAIT]);
    let bytes = p.get(0, 8 + len as usize);
    (u64::from_le_bytes(bytes[..8].try_into().unwrap()), bytes[8..].to_vec())
}

#[test]
fn messages_are_chosen_by_type() {
    boot(false, |p| {
        let queue = p.ok(186, &[0, 0o600]);
        let long: Vec<u8> = (0..8192u32).map(|n| (n % 253) as u8).collect();
        assert_eq!(send(p, queue, 5, b"five", 0), Errno(0));
        assert_eq!(send(p, queue, 3, &long, 0), Errno(0));
        assert_eq!(send(p, queue, 4, b"", 0), Errno(0));
        assert_eq!(send(p, queue, 3, b"again", 0), Errno(0));
        assert_eq!(send(p, queue, 0, b"", 0), Errno::EINVAL);
        assert_eq!(send(p, queue, 1, &[0; 8193], 0), Errno::EINVAL);
        // 16384 bytes are the limit.
        assert_eq!(send(p, queue, 1, &long, IPC_NOWAIT), Errno::EAGAIN);
        let buffer = p.buffer;
        assert_eq!(p.error(188, &[queue, buffer, 3, 5, 0]), Errno::E2BIG);
        assert_eq!(receive(p, queue, 9000, 4), (4, vec![]));
        // The lowest type up to 4, the oldest of it.
        assert_eq!(receive(p, queue, 9000, -4), (3, long));
        assert_eq!(receive(p, queue, 9000, 0), (5, b"five".to_vec()));
        assert_eq!(receive(p, queue, 9000, 3), (3, b"again".to_vec()));
        assert_eq!(p.error(188, &[queue, buffer, 9, 0, IPC_NOWAIT]), Errno::ENOMSG);
        p.sleeps(188, &[queue, buffer, 9, 0, 0]);
        let arguments = [queue, buffer, 9, 0, 0];
        p.k.sysv_objects[0].sequence += 1;
        assert_eq!(p.again(188, &arguments), Err(Block::Error(Errno::EIDRM)));
    });
}

#[test]
fn segments_are_shared_until_the_last_detaches() {
    boot(false, |p| {
        let segment = p.ok(194, &[9, 5000, IPC_CREAT | 0o600]);
        assert_eq!(p.error(194, &[9, 5001, 0]), Errno::EINVAL);
        let first = p.ok(196, &[segment, 0, 0]);
        p.k.write_user(first + 4097, b"shared").unwrap();
        let parent = p.fork();
        let second = p.ok(196, &[segment, 0, 0o10000]);
        let mut bytes = [0; 6];
        p.k.read_user(second + 4097, &mut bytes).unwrap();
        assert_eq!(&bytes, b"shared");
        assert_eq!(p.k.write_user(second, b"x"), Err(Errno::EFAULT), "attached for reading");
        p.k.write_user(first, b"back").unwrap();
        let status = p.buffer;
        p.ok(195, &[segment, 2, status]);
        // The parent's, the child's copy of it, and the child's own.
        assert_eq!(p.get32(88), 3);
        p.ok(195, &[segment, 0, 0]);
        p.ok(197, &[second]);
        assert_eq!(p.error(197, &[second]), Errno::EINVAL);
        assert_eq!(p.call(94, &[0]), Err(Block::NoReturn));
        p.switch(parent);
        let mut bytes = [0; 4];
        p.k.read_user(first, &mut bytes).unwrap();
        assert_eq!(&bytes, b"back");
        p.ok(195, &[segment, 2, status]);
        p.ok(197, &[first]);
        assert_eq!(p.error(195, &[segment, 2, status]), Errno::EINVAL);
        assert_eq!(p.k.read_user(first, &mut bytes), Err(Errno::EFAULT));
    });
}
