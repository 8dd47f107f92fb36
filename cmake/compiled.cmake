# shared_channel::compiled, for programs of many files: the same headers, with what they share instantiated here once.
# It has both exception modes, which have namespaces of their own; a program of another version does not link.
add_library(shared_channel_compiled STATIC ${PROJECT_SOURCE_DIR}/src/compiled.cpp)
add_library(shared_channel::compiled ALIAS shared_channel_compiled)
set_target_properties(shared_channel_compiled PROPERTIES
  EXPORT_NAME compiled
  OUTPUT_NAME shared_channel
  DEBUG_POSTFIX d
  POSITION_INDEPENDENT_CODE ON)
target_link_libraries(shared_channel_compiled PUBLIC shared_channel)
target_compile_definitions(shared_channel_compiled INTERFACE SHARED_CHANNEL_COMPILED)

if(NOT MSVC)
  add_library(shared_channel_compiled_no_exceptions OBJECT ${PROJECT_SOURCE_DIR}/src/compiled.cpp)
  set_target_properties(shared_channel_compiled_no_exceptions PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_compile_options(shared_channel_compiled_no_exceptions PRIVATE -fno-exceptions)
  target_link_libraries(shared_channel_compiled_no_exceptions PRIVATE shared_channel)
  target_sources(shared_channel_compiled PRIVATE $<TARGET_OBJECTS:shared_channel_compiled_no_exceptions>)
endif()
