# Every file that repeats the library's version, or the protocol's, agrees with the headers.
function(expect file pattern)
  file(READ ${source}/${file} content)
  string(FIND "${content}" "${pattern}" at)
  if(at EQUAL -1)
    message(SEND_ERROR "${file} does not say: ${pattern}")
  endif()
endfunction()

file(READ ${source}/include/shared_channel/detail/protocol/layout.hpp layout)
string(REGEX MATCH "abi_version = ([0-9]+)" found "${layout}")
set(protocol ${CMAKE_MATCH_1})
string(REGEX MATCH "^[0-9]+\\.[0-9]+" minor ${version})

expect(README.md "find_package(shared_channel ${minor} REQUIRED)")
expect(CHANGELOG.md "\n## ${version}\n\nProtocol version ${protocol}:")
expect(docs/versioning.md "find_package(shared_channel ${minor})")
expect(packaging/vcpkg/shared-channel/vcpkg.json "\"version\": \"${version}\"")
expect(packaging/conan/conanfile.py "version = \"${version}\"")
expect(packaging/meson/shared_channel.wrap
  "shared_channel-${version}\nsource_filename = shared_channel-${version}-source.tar.gz")
expect(packaging/meson/packagefiles/shared_channel/meson.build "version: '${version}'")
