#pragma once

namespace test_support {

// For the first line of main(): plain '\n' on the standard streams, and a crash ends the program without a dialog.
void prepare_program();

}  // namespace test_support
