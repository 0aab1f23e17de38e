//! What a machine without an NVIDIA driver is told. With a driver there is nothing to see.

use ncpu_cuda::{Cuda, CudaError, Options};

#[test]
fn opening_without_a_driver_is_a_clear_error() {
    match Cuda::open(0, &[], &Options::default()) {
        Err(error @ CudaError::NoDriver { .. }) => {
            let text = error.to_string();
            assert!(text.starts_with("no NVIDIA driver: cannot load libcuda.so.1 or "), "{text}");
            assert!(text.ends_with("--engine cpu gives the same results"), "{text}");
        }
        Err(CudaError::NoDevice { .. }) | Ok(_) => {}
        Err(error) => panic!("{error}"),
    }
}
