#pragma once

#include <cstddef>
#include <string>

#include <boost/system/result.hpp>

namespace spillway {

// Why a path cannot be read as a file, in two parts: "is a named pipe", "give a regular file".
struct file_trouble {
    std::string what, remedy;
    std::string about(const std::string& path) const { return "the file " + path + " " + what + "; " + remedy; }
};

// Bounds on what is read of certificates, keys and bundles of authorities: the largest bundle has a quarter of it.
inline constexpr std::size_t most_pem_bytes = 4 * 1024 * 1024;

// The first `most` bytes of a regular file. Never waits: opening a pipe or a device in the place of a
// file could block for ever, so what is no regular file is refused before a byte is read. An exception are pipes that
// the process was started with (/dev/stdin, /dev/fd/N, what a shell's <(...) gives): they are read, for ten seconds
// at most.
boost::system::result<std::string, file_trouble> read_plain_file(const std::string& path, std::size_t most);

// For libraries that open files by themselves: what keeps them from reading this one, which exists. Empty `what`:
// nothing does, or there is no such file, which they tell well.
file_trouble trouble_with_file(const std::string& path, std::size_t most);

}  // namespace spillway
