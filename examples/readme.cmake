# Makes a source of the README's code blocks, so that they are compiled. Those that declare types stand as they are, the
# others in functions. Whole programs are left out: the only one is hello.cpp.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/README.md)
file(READ ${PROJECT_SOURCE_DIR}/README.md rest)

set(source "#include \"readme.hpp\"\n")
set(count 0)
string(FIND "${rest}" "```cpp\n" begin)
while(NOT begin EQUAL -1)
  math(EXPR begin "${begin} + 7")
  string(SUBSTRING "${rest}" ${begin} -1 rest)
  string(FIND "${rest}" "```" end)
  string(SUBSTRING "${rest}" 0 ${end} block)
  math(EXPR end "${end} + 3")
  string(SUBSTRING "${rest}" ${end} -1 rest)

  math(EXPR count "${count} + 1")
  if(block MATCHES "^struct ")
    string(APPEND source "\n${block}")
  elseif(NOT block MATCHES "int main")
    string(APPEND source "\nvoid block_${count}([[maybe_unused]] std::stop_token token) {\n${block}}\n")
  endif()
  string(FIND "${rest}" "```cpp\n" begin)
endwhile()
file(CONFIGURE OUTPUT readme.cpp CONTENT "${source}" @ONLY)

add_library(readme OBJECT ${CMAKE_CURRENT_BINARY_DIR}/readme.cpp)
target_include_directories(readme PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(readme PRIVATE shared_channel::shared_channel)
