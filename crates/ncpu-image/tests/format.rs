//! The image format: bytes worked out by hand, and everything that `Rom::check` must refuse.

mod support;

use ncpu_linux::rom::{self, Damage, HASH_SEED, HEADER_BYTES, Header, INODE_BYTES, Ino, PAGE, Rom};
use support::{Entry, dir, file, hard_link, link, tar};

/// Inodes in canonical order: 1 `/`, 2 `a`, 3 `d`, 4 `e`, 5 `l`, 6 `n`, and below `d`: 7 `d/f`,
/// with `d/h` a second name of 2.
fn sample() -> Vec<u8> {
    let scratch = support::scratch();
    let archive = tar(&[
        Entry { mode: 0o750, ..dir("./") },
        file("a", b"hi"),
        dir("d"),
        file("d/f", &[b'f'; 5000]),
        hard_link("d/h", "a"),
        dir("e"),
        link("l", "d/f"),
        Entry { kind: tar::EntryType::Char, device: (5, 1), ..file("n", b"") },
    ]);
    let image = support::open(&support::write(&scratch, "archive", &archive)).expect("sound");
    image.bytes().to_vec()
}

fn seal(bytes: &mut [u8]) {
    let page = u32::from_le_bytes(bytes[12..16].try_into().expect("four bytes")) as usize;
    let header: [u8; HEADER_BYTES] = bytes[..HEADER_BYTES].try_into().expect("a header");
    let hash = rom::metadata_hash(&header, bytes.get(page * PAGE..).unwrap_or(&[]));
    bytes[48..56].copy_from_slice(&hash.to_le_bytes());
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word)).collect()
}

#[test]
fn bytes_lie_where_the_format_says() {
    let bytes = sample();
    // Page 0 header, 1 `a`, 2 and 3 `d/f`, 4 inodes, 5 entries, 6 strings.
    assert_eq!(bytes.len(), 7 * PAGE);
    assert_eq!(&bytes[..8], b"NCPUROOT");
    // Version; inodes at page 4, 7 of them; entries at page 5, 7 of them; strings at page 6:
    // the names a d e l n f h and the target d/f; 7 pages in all; no start-up defaults.
    assert_eq!(words(&bytes[8..48]), [1, 4, 7, 5, 7, 6, 10, 7, 10, 0]);
    assert!(bytes[56..PAGE].iter().all(|&byte| byte == 0));

    let inode = |number: usize| words(&bytes[4 * PAGE..][(number - 1) * INODE_BYTES..][..52]);
    let time = 1_700_000_000;
    // mode, uid, gid, nlink, size (two), seconds (two), ns, rdev, first, count, parent.
    assert_eq!(inode(1), [0o040_750, 7, 8, 4, 0, 0, time, 0, 0, 0, 0, 5, 1]);
    assert_eq!(inode(2), [0o100_644, 7, 8, 2, 2, 0, time, 0, 0, 0, 1, 0, 0]);
    assert_eq!(inode(3), [0o040_755, 7, 8, 2, 0, 0, time, 0, 0, 0, 5, 2, 1]);
    assert_eq!(inode(4), [0o040_755, 7, 8, 2, 0, 0, time, 0, 0, 0, 7, 0, 1]);
    assert_eq!(inode(5), [0o120_777, 7, 8, 1, 3, 0, time, 0, 0, 0, 7, 3, 0]);
    assert_eq!(inode(6), [0o020_644, 7, 8, 1, 0, 0, time, 0, 0, 0x501, 0, 0, 0]);
    assert_eq!(inode(7), [0o100_644, 7, 8, 1, 5000, 0, time, 0, 0, 0, 2, 0, 0]);

    // Name offset; length with the DT_ value in the third byte; inode.
    let entry = |index: usize| words(&bytes[5 * PAGE..][index * 12..][..12]);
    assert_eq!(entry(0), [0, 1 | 8 << 16, 2]);
    assert_eq!(entry(1), [1, 1 | 4 << 16, 3]);
    assert_eq!(entry(6), [6, 1 | 8 << 16, 2]);
    assert_eq!(&bytes[6 * PAGE..][..10], b"adelnfhd/f");
    assert_eq!(&bytes[PAGE..][..3], b"hi\0");
    assert_eq!(&bytes[3 * PAGE..][5000 - PAGE - 1..][..2], b"f\0");
}

/// FNV-1a, 64 bit: one word of zero is the basis times the prime, with the high half folded in.
#[test]
fn hash_of_one_zero_word() {
    let product = HASH_SEED.wrapping_mul(0x0000_0100_0000_01b3);
    assert_eq!(rom::hash(HASH_SEED, &[0; 8]), product ^ (product >> 32));
    assert_eq!(rom::hash(HASH_SEED, &[]), 0xcbf2_9ce4_8422_2325);
    assert_eq!(rom::hash(1, b"abc"), rom::hash(1, b"abc\0\0\0\0\0"));
}

#[test]
fn accessors_read_the_tree() {
    let bytes = sample();
    let rom = Rom::check(&bytes).expect("a sound image");
    rom.check_contents().expect("sound contents");
    assert_eq!(rom.lookup(Ino::ROOT, b"d"), Some(Ino(3)));
    assert_eq!(rom.lookup(Ino(3), b"h"), Some(Ino(2)));
    for missing in [&b""[..], b"A", b"aa", b"b", b"z", b".", b".."] {
        assert_eq!(rom.lookup(Ino::ROOT, missing), None);
    }
    assert_eq!(rom.lookup(Ino(2), b"a"), None);
    assert_eq!(rom.entry(Ino(3), 0), Some((&b"f"[..], Ino(7), 8)));
    assert_eq!(rom.entry(Ino(3), 2), None);
    assert_eq!(rom.entry(Ino(2), 0), None);
    assert_eq!(rom.symlink(Ino(5)), b"d/f");
    assert_eq!(rom.symlink(Ino(2)), b"");
    assert_eq!(rom.data(Ino(7)), Some((2, 5000)));
    assert_eq!(rom.data(Ino(3)), None);
    assert_eq!(rom.contents(Ino(2)), b"hi");
    for nowhere in [Ino(0), Ino(8), Ino(u32::MAX)] {
        assert_eq!(rom.inode(nowhere), None);
        assert_eq!(rom.contents(nowhere), b"");
    }
    assert_eq!(rom.page(7), None);
    assert_eq!(rom.page(u32::MAX), None);
}

#[test]
fn each_kind_of_damage_is_told_apart() {
    const I: usize = 4 * PAGE;
    const E: usize = 5 * PAGE;
    const S: usize = 6 * PAGE;
    let inode = |number: usize, field: usize| I + (number - 1) * INODE_BYTES + field;
    let entry = |index: usize, field: usize| E + index * 12 + field;
    let cases: &[(usize, &[u8], Damage)] = &[
        (0, b"X", Damage::NotAnImage),
        (8, &[2], Damage::Version),
        (12, &[0], Damage::Sections),
        (16, &[200], Damage::Sections),
        (20, &[9], Damage::Sections),
        (40, &[11], Damage::Sections),
        (60, &[1], Damage::Unused),
        (inode(1, 0), &0o100_755u32.to_le_bytes(), Damage::Root),
        (inode(1, 48), &[3], Damage::Root),
        (inode(2, 0), &0o170_644u32.to_le_bytes(), Damage::Kind),
        (inode(1, 0), &0o140_755u32.to_le_bytes(), Damage::Root),
        (inode(2, 3), &[1], Damage::Mode),
        (inode(2, 32), &1_000_000_000u32.to_le_bytes(), Damage::Time),
        (inode(2, 12), &[0], Damage::Links),
        (inode(3, 12), &[3], Damage::Links),
        (inode(2, 36), &[1], Damage::Unused),
        (inode(2, 52), &[1], Damage::Unused),
        (entry(0, 7), &[1], Damage::Unused),
        (inode(2, 48), &[1], Damage::Unused),
        (inode(6, 16), &[1], Damage::Unused),
        (inode(5, 56), &[1], Damage::Unused),
        (inode(2, 40), &[0], Damage::Extent),
        (inode(7, 40), &[3], Damage::Extent),
        (inode(7, 40), &[0xff; 4], Damage::Extent),
        (inode(7, 16), &[0xff; 8], Damage::Extent),
        (inode(5, 40), &[8], Damage::Target),
        (inode(5, 44), &[0], Damage::Target),
        (S + 8, &[0], Damage::Target),
        (inode(3, 40), &[4], Damage::Entries),
        (inode(3, 44), &[3], Damage::Entries),
        (inode(4, 44), &[0xff; 4], Damage::Entries),
        (S, b"/", Damage::Name),
        (S, b".", Damage::Name),
        (S, &[0], Damage::Name),
        (entry(0, 4), &[0], Damage::Name),
        (entry(0, 0), &[0xff; 4], Damage::Name),
        (S, b"e", Damage::Order),
        (S, b"d", Damage::Order),
        (entry(0, 8), &[7], Damage::Number),
        (entry(0, 8), &[0], Damage::Number),
        (entry(0, 8), &[99], Damage::Number),
        (entry(0, 6), &[4], Damage::Kind),
        (inode(3, 48), &[3], Damage::Parent),
        (inode(1, 44), &[3], Damage::Entries),
    ];
    for (at, patch, expected) in cases {
        let mut bytes = sample();
        bytes[*at..at + patch.len()].copy_from_slice(patch);
        if *at >= PAGE {
            let damage = Rom::check(&bytes).map(drop).map_err(|error| error.damage);
            assert_eq!(damage, Err(Damage::Hash), "byte {at} unsealed");
        }
        seal(&mut bytes);
        let damage = Rom::check(&bytes).map(drop).map_err(|error| error.damage);
        assert_eq!(damage, Err(*expected), "byte {at}: {patch:?}");
    }
}

/// Two directories that contain each other, apart from the root.
#[test]
fn detached_cycles_are_refused() {
    let inode = |first, parent| rom::RomInode {
        mode: 0o040_755,
        nlink: 3,
        first,
        count: 1,
        parent,
        ..Default::default()
    };
    let entry = |ino| rom::RomDirent { name: 0, name_len: 1, kind: 4, ino: Ino(ino) };
    let root = rom::RomInode { nlink: 2, count: 0, ..inode(0, 1) };
    let header = Header::lay_out(0, 3, 2, 1).expect("a small image");
    let mut bytes = vec![0; 4 * PAGE];
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    for (index, inode) in [root, inode(0, 3), inode(1, 2)].iter().enumerate() {
        bytes[PAGE + index * INODE_BYTES..][..INODE_BYTES].copy_from_slice(&inode.encode());
    }
    for (index, entry) in [entry(3), entry(2)].iter().enumerate() {
        bytes[2 * PAGE + index * 12..][..12].copy_from_slice(&entry.encode());
    }
    bytes[3 * PAGE] = b'x';
    seal(&mut bytes);
    assert_eq!(Rom::check(&bytes).map(drop).map_err(|e| e.damage), Err(Damage::Entries));
}

#[test]
fn contents_are_checked_on_demand() {
    for at in [PAGE, PAGE + 2, 3 * PAGE + 4095] {
        let mut bytes = sample();
        bytes[at] ^= 1;
        let rom = Rom::check(&bytes).expect("metadata is sound");
        let error = rom.check_contents().expect_err("contents are not");
        assert_eq!(error.damage, Damage::Contents);
    }
}

#[test]
fn cut_images_are_refused() {
    let bytes = sample();
    for cut in (0..bytes.len()).step_by(64) {
        assert!(Rom::check(&bytes[..cut]).is_err(), "cut to {cut} bytes");
    }
    let mut longer = bytes;
    longer.push(0);
    assert_eq!(Rom::check(&longer).map(drop).map_err(|e| e.damage), Err(Damage::Length));
}

/// Uses every accessor on every inode, as a machine might.
fn exercise(rom: Rom<'_>) {
    for number in 0..=rom.inode_count().min(100) + 1 {
        let ino = Ino(number);
        let _ = (rom.symlink(ino), rom.contents(ino), rom.data(ino), rom.lookup(ino, b"d"));
        for index in 0..100 {
            let Some((name, child, _)) = rom.entry(ino, index) else { break };
            let _ = rom.lookup(ino, name);
            let _ = rom.inode(child);
        }
    }
    let _ = (rom.config(), rom.check_contents());
}

/// Sealed again after the damage, so that the hash does not stand in for the checks; and through
/// `Rom::open`, which promises safety without them.
#[test]
fn random_damage_never_panics() {
    let sound = sample();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let regions = [0..56, 4 * PAGE..4 * PAGE + 7 * INODE_BYTES, 5 * PAGE..5 * PAGE + 84];
    let strings = 6 * PAGE..6 * PAGE + 10;
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..30_000 {
        let mut bytes = sound.clone();
        for _ in 0..1 + random(3) {
            let region = [&regions[0], &regions[1], &regions[2], &strings][random(4)];
            let at = region.start + random(region.len());
            bytes[at] = [random(256), 0, 1, 0xff][random(4)] as u8;
        }
        seal(&mut bytes);
        match Rom::check(&bytes) {
            Ok(rom) => {
                accepted += 1;
                exercise(rom);
                // What was accepted is a tree: walking it ends, and meets every entry once.
                assert_eq!(ncpu_image::paths(rom).count(), 7);
            }
            Err(_) => refused += 1,
        }
        if let Ok(rom) = Rom::open(&bytes) {
            exercise(rom);
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused");
}
