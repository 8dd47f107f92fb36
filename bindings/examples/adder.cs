// Asks the adder, from C#: mcs adder.cs; mono adder.exe
using System;
using System.Runtime.InteropServices;

struct Numbers { public int A, B; }

[StructLayout(LayoutKind.Sequential, CharSet = CharSet.Ansi)]
struct ScError {
  public uint Size; public int Code, Native, NotExecuted, SafeToRetry;
  [MarshalAs(UnmanagedType.ByValTStr, SizeConst = 492)] public string Message;
}

[StructLayout(LayoutKind.Sequential, CharSet = CharSet.Ansi)]
struct ScMessage {
  public uint Size, Bytes, Align; public int IsVariable; public string Description;
}

[StructLayout(LayoutKind.Sequential)]
struct ScClientOptions {
  public uint Size; public int Scope; public long Spin; public int WaitForServer, ServerUser; public uint ServerUid, Unused;
  public IntPtr ServerSid, Request, Reply;
}

static class Adder {
  [DllImport("shared_channel_c")] static extern int sc_client_open(string name, ref ScClientOptions options,
    out IntPtr client, ref ScError error);
  [DllImport("shared_channel_c")] static extern int sc_client_call(IntPtr client, ref Numbers request, UIntPtr requestSize,
    out int reply, UIntPtr replyRoom, IntPtr replySize, long timeout, IntPtr wait, ref ScError error);
  [DllImport("shared_channel_c")] static extern void sc_client_close(IntPtr client);

  static IntPtr Message(string description) {
    var message = new ScMessage { Size = (uint)Marshal.SizeOf(typeof(ScMessage)), Description = description };
    IntPtr memory = Marshal.AllocHGlobal((int)message.Size);  // for as long as the program runs
    Marshal.StructureToPtr(message, memory, false);
    return memory;
  }

  static int Main() {
    var error = new ScError { Size = (uint)Marshal.SizeOf(typeof(ScError)) };
    var options = new ScClientOptions {
      Size = (uint)Marshal.SizeOf(typeof(ScClientOptions)), Request = Message("{i32 i32}"), Reply = Message("{i32}")
    };
    var numbers = new Numbers { A = 2, B = 3 };
    int sum = 0;
    if (sc_client_open("adder", ref options, out var client, ref error) == 0) {
      sc_client_call(client, ref numbers, (UIntPtr)8, out sum, (UIntPtr)4, IntPtr.Zero, 250000000, IntPtr.Zero, ref error);
      sc_client_close(client);
    }
    Console.WriteLine(error.Code == 0 ? $"2 + 3 = {sum}" : error.Message);
    return error.Code;
  }
}
