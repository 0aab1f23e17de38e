//! The driver, a card and copies, with PTX of a few lines. Ignored unless asked for, since they need an
//! NVIDIA GPU: `cargo test -p ncpu-cuda -- --ignored`.

use ncpu_cuda::{Cuda, CudaError, Device, MARKS_KEPT, Mark, Options, Ptx, Text};

/// `add_one` adds 1 to each of the words whose address and count its record holds.
const PTX: &str = "
.version 7.0
.target sm_80
.address_size 64

.visible .entry add_one(.param .u64 record)
{
    .reg .pred %p;
    .reg .b32 %r<6>;
    .reg .b64 %d<5>;
    ld.param.u64 %d0, [record];
    ld.global.u64 %d1, [%d0];
    ld.global.u64 %d2, [%d0+8];
    mov.u32 %r0, %ctaid.x;
    mov.u32 %r1, %ntid.x;
    mov.u32 %r2, %tid.x;
    mad.lo.u32 %r3, %r0, %r1, %r2;
    cvt.u64.u32 %d3, %r3;
    setp.ge.u64 %p, %d3, %d2;
    @%p bra done;
    shl.b64 %d3, %d3, 2;
    add.u64 %d4, %d1, %d3;
    ld.global.u32 %r4, [%d4];
    add.u32 %r5, %r4, 1;
    st.global.u32 [%d4], %r5;
done:
    ret;
}
";

fn ptx(text: &'static str) -> Ptx {
    Ptx { name: "test", text: Text::Plain(text), max_registers: None, optimization: 4 }
}

fn open() -> Cuda {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { cache_dir: Some(folder.path().to_owned()), ..Options::default() };
    Cuda::open(0, &[ptx(PTX)], &options).unwrap()
}

fn words(count: u32) -> Vec<u8> {
    (0..count).flat_map(|word| word.wrapping_mul(0x9E37_79B9).to_le_bytes()).collect()
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn a_kernel_changes_what_was_uploaded_and_nothing_beyond() {
    let gpu = open();
    // More than the page-locked memory takes at once, and no whole number of blocks.
    let count = 1_000_003;
    let sent = words(count);
    let data = gpu.alloc(sent.len() as u64 + 4).unwrap();
    gpu.upload(data, &sent).unwrap();
    let record = gpu.alloc(16).unwrap();
    gpu.upload(record, [data, u64::from(count)].map(u64::to_le_bytes).as_flattened()).unwrap();
    let before = gpu.mark().unwrap();
    // SAFETY: the record is what the kernel takes.
    unsafe { gpu.launch("add_one", count + 1, 128, record) }.unwrap();
    let after = gpu.mark().unwrap();
    let mut received = vec![0; sent.len() + 4];
    gpu.download(data, &mut received).unwrap();
    assert!(gpu.elapsed(&before, &after).unwrap() > 0.0);
    let number = |word: &[u8]| u32::from_le_bytes(word.try_into().unwrap());
    for (index, (old, new)) in sent.chunks(4).zip(received.chunks(4)).enumerate() {
        assert_eq!(number(new), number(old).wrapping_add(1), "word {index}");
    }
    assert_eq!(received[sent.len()..], [0; 4], "memory is zero-filled");
    gpu.free(data);
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn small_uploads_arrive_in_order() {
    let gpu = open();
    let sent = words(700_000);
    let data = gpu.alloc(sent.len() as u64).unwrap();
    for (index, piece) in sent.chunks(7_777).enumerate() {
        gpu.upload(data + index as u64 * 7_777, piece).unwrap();
    }
    let mut received = vec![0; sent.len()];
    gpu.download(data, &mut received).unwrap();
    assert!(received == sent);

    gpu.fill(data + 3, 0xA5, 5).unwrap();
    let mut received = [0; 9];
    gpu.download(data, &mut received).unwrap();
    assert_eq!(received[..3], sent[..3]);
    assert_eq!(received[3..8], [0xA5; 5]);
    assert_eq!(received[8], sent[8]);
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn parts_arrive_at_multiples_of_the_alignment() {
    let gpu = open();
    let sent = words(12_000_000);
    // Through the page-locked memory of small copies, and several times round that of large ones.
    for parts in [vec![&sent[..3], &sent[..0], &sent[7..30]], sent.chunks(77_777).collect()] {
        let room = |part: &&[u8]| part.len().next_multiple_of(16);
        let length = parts.iter().map(room).sum::<usize>();
        let data = gpu.reserve(length as u64).unwrap();
        gpu.upload_parts(data, &parts, 16).unwrap();
        let mut received = vec![0; length];
        gpu.download(data, &mut received).unwrap();
        let mut at = 0;
        for (index, part) in parts.iter().enumerate() {
            assert!(received[at..].starts_with(part), "part {index}");
            at += room(part);
        }
        gpu.free(data);
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn a_module_for_later_is_loaded_when_a_kernel_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let cache_dir = Some(folder.path().to_owned());
    let options = Options { cache_dir, later: vec![ptx(PTX)], ..Options::default() };
    let first = Cuda::open(0, &[], &options).unwrap();
    assert!(!first.timings().modules[0].cached, "it had to be compiled");
    let second = Cuda::open(0, &[], &options).unwrap();
    assert!(second.timings().modules.is_empty());
    assert!(second.kernel_use("add_one").unwrap().registers > 0);
    assert!(second.timings().modules[0].cached);
    assert!(second.kernel_use("absent").is_err());
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn a_second_start_takes_modules_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { cache_dir: Some(folder.path().to_owned()), ..Options::default() };
    let cached = || {
        let gpu = Cuda::open(0, &[ptx(PTX)], &options).unwrap();
        assert!(gpu.kernel_use("add_one").unwrap().registers > 0);
        println!("{}: {:?}", gpu.describe(), gpu.timings());
        gpu.timings().modules[0].cached
    };
    assert!(!cached());
    assert!(cached());
    let limited = Ptx { max_registers: Some(32), ..ptx(PTX) };
    assert!(!Cuda::open(0, &[limited], &options).unwrap().timings().modules[0].cached);
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn mistakes_are_told() {
    let gpu = open();
    let data = gpu.alloc(16).unwrap();
    let error = gpu.upload(data + 8, &[0; 9]).unwrap_err();
    assert!(matches!(error, CudaError::NotAllocated { bytes: 9, .. }), "{error}");
    let (_, total) = gpu.memory().unwrap();
    let error = gpu.alloc(2 * total).unwrap_err();
    assert!(matches!(error, CudaError::OutOfMemory { free: 1.., .. }), "{error}");
    // SAFETY: there is no such kernel.
    let error = unsafe { gpu.launch("absent", 1, 1, 0) }.unwrap_err();
    assert!(matches!(error, CudaError::NoKernel { entry: "absent" }), "{error}");
    // SAFETY: the record has no words, so the kernel touches nothing.
    let error = unsafe { gpu.launch("add_one", 4096, 4096, data) }.unwrap_err();
    assert!(error.to_string().starts_with("kernel add_one failed: cuLaunchKernel: "), "{error}");
    let error = gpu.elapsed(&Mark(0), &Mark(1)).unwrap_err();
    assert!(matches!(error, CudaError::NoMark { number: 0 }), "{error}");
    let marks: Vec<Mark> = (0..=MARKS_KEPT).map(|_| gpu.mark().unwrap()).collect();
    assert!(gpu.elapsed(&marks[0], &marks[1]).is_err());
    assert!(gpu.elapsed(&marks[1], &marks[2]).is_ok());
    let error = Cuda::open(999, &[], &Options::default()).err().unwrap();
    assert!(matches!(error, CudaError::NoDevice { ordinal: 999, count: 1.. }), "{error}");
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn rejected_ptx_comes_with_the_compilers_messages() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { cache_dir: Some(folder.path().to_owned()), ..Options::default() };
    let open = |text| Cuda::open(0, &[ptx(text)], &options).err().unwrap();
    let error = open(".version 7.0\n.target sm_80\n.address_size 64\nnonsense\n");
    assert!(matches!(&error, CudaError::PtxRejected { log, .. } if !log.is_empty()), "{error}");
    let error = open(".version 9.9\n.target sm_999\n.address_size 64\n");
    assert!(matches!(error, CudaError::CardTooOld { target: 999, .. }), "{error}");
}
