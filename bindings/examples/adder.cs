// Asks the adder, from C#: mcs adder.cs; mono adder.exe
using System;
using System.Runtime.InteropServices;

struct Numbers { public int A, B; }

[StructLayout(LayoutKind.Sequential, CharSet = CharSet.Ansi)]
struct ScError {
  public uint Size; public int Code, Native, NotExecuted, SafeToRetry;
  [MarshalAs(UnmanagedType.ByValTStr, SizeConst = 492)] public string Message;
}

static class Adder {
  [DllImport("shared_channel_c")] static extern int sc_client_open(string name, IntPtr options, out IntPtr client, ref ScError error);
  [DllImport("shared_channel_c")] static extern int sc_client_call(IntPtr client, ref Numbers request, UIntPtr requestSize,
    out int reply, UIntPtr replyRoom, IntPtr replySize, long timeout, IntPtr wait, ref ScError error);
  [DllImport("shared_channel_c")] static extern void sc_client_close(IntPtr client);

  static int Main() {
    var error = new ScError { Size = (uint)Marshal.SizeOf(typeof(ScError)) };
    var numbers = new Numbers { A = 2, B = 3 };
    int sum = 0;
    if (sc_client_open("adder", IntPtr.Zero, out var client, ref error) == 0) {
      sc_client_call(client, ref numbers, (UIntPtr)8, out sum, (UIntPtr)4, IntPtr.Zero, 250000000, IntPtr.Zero, ref error);
      sc_client_close(client);
    }
    Console.WriteLine(error.Code == 0 ? $"2 + 3 = {sum}" : error.Message);
    return error.Code;
  }
}
