#!/bin/sh
# Installs into an empty prefix, moves the tree, and builds and runs a stranger's project against it: CMake (C and C++) and pkg-config.
# Usage: install.sh BUILD_DIR SOURCE_DIR
set -eu
build=$1 source=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cmake --install "$build" --prefix "$tmp/first" > "$tmp/log" || { cat "$tmp/log"; exit 1; }
mv "$tmp/first" "$tmp/prefix"
prefix=$tmp/prefix
libdir=$(dirname "$(find "$prefix" -name libqloader.so)")

mkdir "$tmp/project"
cp "$source/docs/examples/smallest.c" "$tmp/project/main.c"
cp "$source/docs/examples/smallest.c" "$tmp/project/main.cpp"
cat > "$tmp/project/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(stranger LANGUAGES C CXX)
find_package(qloader 0.1 REQUIRED)
add_executable(in_c main.c)
add_executable(in_cpp main.cpp)
target_compile_options(in_cpp PRIVATE -Wno-missing-field-initializers)
target_link_libraries(in_c PRIVATE qloader::qloader)
target_link_libraries(in_cpp PRIVATE qloader::qloader)
CMAKE
cmake -S "$tmp/project" -B "$tmp/project/build" -DCMAKE_PREFIX_PATH="$prefix" > "$tmp/log" || { cat "$tmp/log"; exit 1; }
cmake --build "$tmp/project/build" > "$tmp/log" || { cat "$tmp/log"; exit 1; }
PKG_CONFIG_PATH="$libdir/pkgconfig" cc "$tmp/project/main.c" -o "$tmp/project/by_pc" $(PKG_CONFIG_PATH="$libdir/pkgconfig" pkg-config --cflags --libs qloader)

mkdir -p "$tmp/kb/docs"
echo "Start the server with one command." > "$tmp/kb/docs/start.md"
printf 'sources:\n  localfile:\n    docs:\n      base_url: "file://%s/kb/docs"\n' "$tmp" > "$tmp/kb/config.yaml"
unset QLOADER_MODULE_DIR
for program in "$tmp/project/build/in_c" "$tmp/project/build/in_cpp" "$tmp/project/by_pc"; do
  LD_LIBRARY_PATH="$libdir" "$program" "$tmp/kb" | grep -q start.md || { echo "$program did not find start.md"; exit 1; }
done
"$prefix/bin/qloader" --version
"$prefix/bin/qloader" search --workspace "$tmp/kb" "how to start" | grep -q start.md
echo "installed: $(du -sk "$prefix" | cut -f1) kB in all, library $(stat -Lc %s "$libdir/libqloader.so") bytes"
