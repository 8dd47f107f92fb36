# The target `docs`: the API reference by Doxygen, in the build directory's reference/index.html. A warning fails it.
# The target `site`: that, the README and all pages as a static site, in site/index.html.
find_program(SHARED_CHANNEL_DOXYGEN doxygen)
if(SHARED_CHANNEL_DOXYGEN)
  set(run_doxygen ${CMAKE_COMMAND} -E env
    SHARED_CHANNEL_DOCS=${PROJECT_BINARY_DIR} SHARED_CHANNEL_VERSION=${PROJECT_VERSION} ${SHARED_CHANNEL_DOXYGEN})
  set(make_reference ${run_doxygen} docs/reference/Doxyfile)
  set(make_site ${run_doxygen} docs/site/Doxyfile)
  add_custom_target(docs COMMAND ${make_reference} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM)
  add_test(NAME docs.reference COMMAND ${make_reference} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  add_custom_target(site COMMAND ${make_site} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM)
  add_test(NAME docs.site COMMAND ${make_site} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(docs.site PROPERTIES FIXTURES_SETUP shared_channel_site)
  add_test(NAME docs.site_pages COMMAND ${CMAKE_COMMAND} -D site=${PROJECT_BINARY_DIR}/site
    -P ${CMAKE_CURRENT_LIST_DIR}/check_site.cmake)
  set_tests_properties(docs.site_pages PROPERTIES FIXTURES_REQUIRED shared_channel_site)
endif()

# Its first page names every public header.
file(GLOB headers RELATIVE ${PROJECT_SOURCE_DIR}/include/shared_channel
  ${PROJECT_SOURCE_DIR}/include/shared_channel/*.hpp)
list(REMOVE_ITEM headers shared_channel.hpp)
add_test(NAME docs.headers
  COMMAND ${CMAKE_COMMAND} -D page=${PROJECT_SOURCE_DIR}/docs/reference/index.md "-Dheaders=${headers}"
    -P ${CMAKE_CURRENT_LIST_DIR}/check_reference.cmake)

# Links within the tree lead somewhere. The interpreter is named by its path: as a target it would be run by Wine where
# the build is for Win32.
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
  file(GLOB pages ${PROJECT_SOURCE_DIR}/*.md ${PROJECT_SOURCE_DIR}/.github/*.md ${PROJECT_SOURCE_DIR}/docs/*.md
    ${PROJECT_SOURCE_DIR}/docs/recipes/*.md ${PROJECT_SOURCE_DIR}/benchmarks/*.md)
  add_test(NAME docs.links COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/check_links.py ${pages})
endif()
