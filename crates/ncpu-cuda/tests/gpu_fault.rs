//! A kernel that goes wrong, in a process of its own, since the process may be unable to use the GPU
//! afterwards. Ignored unless asked for: `cargo test -p ncpu-cuda -- --ignored`.

use ncpu_cuda::{Cuda, CudaError, Device, Options, Ptx, Text};

/// `fault` writes to an address that nothing has.
const PTX: &str = "
.version 7.0
.target sm_80
.address_size 64

.visible .entry fault(.param .u64 record)
{
    .reg .b32 %r;
    .reg .b64 %d;
    mov.u64 %d, 64;
    mov.u32 %r, 1;
    st.global.u32 [%d], %r;
    ret;
}
";

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn a_fault_names_the_kernel_and_the_call_where_it_showed() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { cache_dir: Some(folder.path().to_owned()), ..Options::default() };
    let module =
        Ptx { name: "fault", text: Text::Plain(PTX), max_registers: None, optimization: 4 };
    let gpu = Cuda::open(0, &[module], &options).unwrap();
    let data = gpu.alloc(16).unwrap();
    // SAFETY: the fault harms this context only.
    unsafe { gpu.launch("fault", 1, 1, data) }.unwrap();
    let error = gpu.synchronize().unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, CudaError::Launch { kernel: "fault", .. }), "{text}");
    assert!(text.contains("cuStreamSynchronize") && text.contains("CUDA_ERROR"), "{text}");
}
