// Asks the adder, from Rust: rustc adder.rs -L DIRECTORY -l shared_channel_c
use std::ffi::{c_char, c_void, CStr};
use std::ptr::{null, null_mut};

#[repr(C)]
struct ScError { size: u32, code: i32, native: i32, not_executed: i32, safe_to_retry: i32, message: [c_char; 492] }

extern "C" {
    fn sc_client_open(name: *const c_char, options: *const c_void, client: *mut *mut c_void, error: *mut ScError) -> i32;
    fn sc_client_call(client: *mut c_void, request: *const c_void, request_size: usize, reply: *mut c_void, reply_room: usize,
                      reply_size: *mut usize, timeout: i64, wait: *const c_void, error: *mut ScError) -> i32;
    fn sc_client_close(client: *mut c_void);
}

fn add(a: i32, b: i32) -> Result<i32, ScError> {
    let (numbers, mut sum, mut client) = ([a, b], 0i32, null_mut());
    let mut error = ScError { size: 512, code: 0, native: 0, not_executed: 0, safe_to_retry: 0, message: [0; 492] };
    unsafe {
        if sc_client_open(b"adder\0".as_ptr().cast(), null(), &mut client, &mut error) != 0 { return Err(error); }
        sc_client_call(client, numbers.as_ptr().cast(), 8, (&mut sum as *mut i32).cast(), 4, null_mut(), 250_000_000, null(), &mut error);
        sc_client_close(client);
    }
    if error.code == 0 { Ok(sum) } else { Err(error) }
}

fn main() {
    match add(2, 3) {
        Ok(sum) => println!("2 + 3 = {}", sum),
        Err(error) => {
            println!("{}", unsafe { CStr::from_ptr(error.message.as_ptr()) }.to_string_lossy());
            std::process::exit(error.code);
        }
    }
}
