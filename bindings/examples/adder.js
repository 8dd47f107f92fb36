// Asks the adder, from Node: npm install koffi; node adder.js libshared_channel_c.so
const koffi = require('koffi');
const library = koffi.load(process.argv[2]);

const sc_error = koffi.struct('sc_error', {
  size: 'uint32', code: 'int32', native: 'int32', not_executed: 'int32', safe_to_retry: 'int32',
  message: koffi.array('char', 492),
});
const sc_message = koffi.struct('sc_message', {
  size: 'uint32', bytes: 'uint32', align: 'uint32', is_variable: 'int32', description: 'const char *',
});
const sc_client_options = koffi.struct('sc_client_options', {
  size: 'uint32', scope: 'int32', spin: 'int64', wait_for_server: 'int32', server_user: 'int32', server_uid: 'uint32',
  unused: 'uint32', server_sid: 'const char *', request: koffi.pointer(sc_message), reply: koffi.pointer(sc_message),
});
const open = library.func('int32 sc_client_open(const char *name, sc_client_options *options, ' +
  '_Out_ void **client, _Inout_ sc_error *error)');
const call = library.func('int32 sc_client_call(void *client, const void *request, size_t request_size, void *reply, ' +
  'size_t reply_room, void *reply_size, int64 timeout, void *wait, _Inout_ sc_error *error)');
const close = library.func('void sc_client_close(void *client)');

const error = { size: koffi.sizeof(sc_error), code: 0, native: 0, not_executed: 0, safe_to_retry: 0, message: '' };
const message = (description) => ({ size: koffi.sizeof(sc_message), bytes: 0, align: 0, is_variable: 0, description });
const options = {
  size: koffi.sizeof(sc_client_options), scope: 0, spin: 0, wait_for_server: 0, server_user: 0, server_uid: 0, unused: 0,
  server_sid: null, request: message('{i32 i32}'), reply: message('{i32}'),
};
const client = [null], numbers = new Int32Array([2, 3]), sum = new Int32Array(1);
if (open('adder', options, client, error) === 0) {
  call(client[0], numbers, numbers.byteLength, sum, sum.byteLength, null, 250e6, null, error);
  close(client[0]);
}
console.log(error.code === 0 ? `2 + 3 = ${sum[0]}` : error.message);
process.exitCode = error.code;
