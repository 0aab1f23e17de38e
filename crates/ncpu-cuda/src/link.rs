//! PTX to machine code, with the driver's compiler.

use std::ffi::{CString, c_void};
use std::ptr::{null_mut, without_provenance_mut};

use cudarc::driver::sys::CUjit_option::{
    CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, CU_JIT_MAX_REGISTERS,
    CU_JIT_OPTIMIZATION_LEVEL,
};
use cudarc::driver::sys::CUjitInputType::CU_JIT_INPUT_PTX;

use crate::driver::Driver;
use crate::{CudaError, Ptx, Result};

/// The compiler's messages are cut off here.
const LOG_BYTES: usize = 16 * 1024;

/// Compiles a module for the card of the calling thread's context.
pub(crate) fn compile(driver: &Driver, ptx: &Ptx, text: &mut [u8]) -> Result<Vec<u8>> {
    let mut log = vec![0u8; LOG_BYTES];
    let mut options = vec![
        CU_JIT_ERROR_LOG_BUFFER,
        CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
        CU_JIT_OPTIMIZATION_LEVEL,
    ];
    // Numbers are passed in the place of pointers.
    let number = |value: usize| without_provenance_mut::<c_void>(value);
    let mut values = vec![
        log.as_mut_ptr().cast::<c_void>(),
        number(LOG_BYTES),
        number(ptx.optimization as usize),
    ];
    if let Some(registers) = ptx.max_registers {
        options.push(CU_JIT_MAX_REGISTERS);
        values.push(number(registers as usize));
    }
    let name = CString::new(ptx.name).unwrap_or_default();
    let count = options.len() as u32;
    let mut state = null_mut();
    // SAFETY: options and values have `count` entries, and both they and the log outlive the state.
    unsafe { driver.link_create(count, options.as_mut_ptr(), values.as_mut_ptr(), &mut state)? };
    let (data, bytes) = (text.as_mut_ptr().cast(), text.len());
    let mut cubin = null_mut();
    let mut cubin_bytes = 0;
    // SAFETY: the text ends with a zero byte, and it and the name outlive the state.
    let outcome = unsafe {
        driver
            .link_add(
                state,
                CU_JIT_INPUT_PTX,
                data,
                bytes,
                name.as_ptr(),
                0,
                null_mut(),
                null_mut(),
            )
            .and_then(|()| driver.link_complete(state, &mut cubin, &mut cubin_bytes))
    };
    // SAFETY: the state owns the result, which is that long, until it is destroyed below.
    let module = outcome
        .map(|()| unsafe { std::slice::from_raw_parts(cubin.cast::<u8>(), cubin_bytes).to_vec() });
    // SAFETY: nothing of the state is used from here on.
    let _ = unsafe { driver.link_destroy(state) };
    module.map_err(|failure| {
        let length = log.iter().position(|&byte| byte == 0).unwrap_or(LOG_BYTES);
        let log = String::from_utf8_lossy(&log[..length]).trim().to_owned();
        CudaError::PtxRejected { module: ptx.name, failure, log }
    })
}
