// Asks the adder, from Rust: rustc adder.rs -L DIRECTORY -l shared_channel_c
use std::ffi::{c_char, c_void, CStr};
use std::mem::size_of;
use std::ptr::{null, null_mut};

#[repr(C)]
struct ScError { size: u32, code: i32, native: i32, not_executed: i32, safe_to_retry: i32, message: [c_char; 492] }

#[repr(C)]
struct ScMessage { size: u32, bytes: u32, align: u32, is_variable: i32, description: *const c_char }

#[repr(C)]
struct ScClientOptions {
    size: u32, scope: i32, spin: i64, wait_for_server: i32, server_user: i32, server_uid: u32, unused: u32,
    server_sid: *const c_char, request: *const ScMessage, reply: *const ScMessage,
}

extern "C" {
    fn sc_client_open(name: *const c_char, options: *const ScClientOptions, client: *mut *mut c_void, error: *mut ScError) -> i32;
    fn sc_client_call(client: *mut c_void, request: *const c_void, request_size: usize, reply: *mut c_void, reply_room: usize,
                      reply_size: *mut usize, timeout: i64, wait: *const c_void, error: *mut ScError) -> i32;
    fn sc_client_close(client: *mut c_void);
}

fn message(description: &'static [u8]) -> ScMessage {
    ScMessage { size: size_of::<ScMessage>() as u32, bytes: 0, align: 0, is_variable: 0, description: description.as_ptr().cast() }
}

fn add(a: i32, b: i32) -> Result<i32, ScError> {
    let (request, reply) = (message(b"{i32 i32}\0"), message(b"{i32}\0"));
    let options = ScClientOptions {
        size: size_of::<ScClientOptions>() as u32, scope: 0, spin: 0, wait_for_server: 0, server_user: 0, server_uid: 0, unused: 0,
        server_sid: null(), request: &request, reply: &reply,
    };
    let (numbers, mut sum, mut client) = ([a, b], 0i32, null_mut());
    let mut error = ScError { size: 512, code: 0, native: 0, not_executed: 0, safe_to_retry: 0, message: [0; 492] };
    unsafe {
        if sc_client_open(b"adder\0".as_ptr().cast(), &options, &mut client, &mut error) != 0 { return Err(error); }
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
