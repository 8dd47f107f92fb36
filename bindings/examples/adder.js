// Asks the adder, from Node: npm install koffi; node adder.js libshared_channel_c.so
const koffi = require('koffi');
const library = koffi.load(process.argv[2]);

const sc_error = koffi.struct('sc_error', {
  size: 'uint32', code: 'int32', native: 'int32', not_executed: 'int32', safe_to_retry: 'int32',
  message: koffi.array('char', 492),
});
const open = library.func('int32 sc_client_open(const char *name, void *options, _Out_ void **client, _Inout_ sc_error *error)');
const call = library.func('int32 sc_client_call(void *client, const void *request, size_t request_size, void *reply, ' +
  'size_t reply_room, void *reply_size, int64 timeout, void *wait, _Inout_ sc_error *error)');
const close = library.func('void sc_client_close(void *client)');

const error = { size: koffi.sizeof(sc_error), code: 0, native: 0, not_executed: 0, safe_to_retry: 0, message: '' };
const client = [null], numbers = new Int32Array([2, 3]), sum = new Int32Array(1);
if (open('adder', null, client, error) === 0) {
  call(client[0], numbers, numbers.byteLength, sum, sum.byteLength, null, 250e6, null, error);
  close(client[0]);
}
console.log(error.code === 0 ? `2 + 3 = ${sum[0]}` : error.message);
process.exitCode = error.code;
