#!/bin/sh
# Installs into an empty prefix, moves the tree, and builds and runs a stranger's project against it: by CMake and by pkg-config, in C and in
# C++, with the shared library and with the static one. With a third argument: builds the library inside a stranger's project instead.
# Usage: install.sh BUILD_DIR SOURCE_DIR [DEPS_DIR]
set -eu
build=$1 source=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
quiet() { "$@" > "$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }; }
unset QLOADER_MODULE_DIR

mkdir -p "$tmp/project" "$tmp/kb/docs"
cp "$source/docs/examples/smallest.c" "$tmp/project/main.c"
cp "$source/docs/examples/smallest.c" "$tmp/project/main.cpp"
echo "Start the server with one command." > "$tmp/kb/docs/start.md"
printf 'sources:\n  localfile:\n    docs:\n      base_url: "file://%s/kb/docs"\n' "$tmp" > "$tmp/kb/config.yaml"
finds_it() { "$@" "$tmp/kb" | grep -q start.md || { echo "$* did not find start.md"; exit 1; }; }

if [ $# = 3 ]; then
  cat > "$tmp/project/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.25)
project(host LANGUAGES C CXX)
add_subdirectory($source qloader)
add_executable(in_c main.c)
add_executable(in_cpp main.cpp)
target_link_libraries(in_c PRIVATE qloader::qloader)
target_link_libraries(in_cpp PRIVATE qloader::qloader)
add_executable(in_static main.c)
target_link_libraries(in_static PRIVATE qloader::qloader_static)
CMAKE
  quiet cmake -S "$tmp/project" -B "$tmp/project/build" -G Ninja -DQLOADER_DEPS_DIR="$3" -DQLOADER_GRAMMARS=OFF
  quiet cmake --build "$tmp/project/build" --target in_c in_cpp in_static -j 2
  finds_it "$tmp/project/build/in_c"
  finds_it "$tmp/project/build/in_cpp"
  if ldd "$tmp/project/build/in_static" | grep -q libqloader; then echo "in_static needs the shared library"; exit 1; fi
  finds_it "$tmp/project/build/in_static"
  quiet cmake --install "$tmp/project/build" --prefix "$tmp/none"
  [ ! -e "$tmp/none" ] || { echo "the host's installation holds files of the library"; exit 1; }
  echo "built inside another project"
  exit
fi

quiet cmake --install "$build" --prefix "$tmp/first"
mv "$tmp/first" "$tmp/prefix"
prefix=$tmp/prefix
libdir=$(dirname "$(find "$prefix" -name libqloader.so)")
quiet env DESTDIR="$tmp/stage" cmake --install "$build" --prefix /opt/q
(cd "$prefix" && find . | sort) > "$tmp/direct"
(cd "$tmp/stage/opt/q" && find . | sort) > "$tmp/staged"
diff "$tmp/direct" "$tmp/staged"
! grep -rIl -e "$tmp" -e "$build" -e "$source" "$prefix" --include='*.cmake' --include='*.pc' --include='*.h' || { echo "an installed file names a folder of the build"; exit 1; }

for file in man/man1/qloader.1 man/man1/qloader-search.1 bash-completion/completions/qloader zsh/site-functions/_qloader fish/vendor_completions.d/qloader.fish \
  doc/qloader/cli.md doc/qloader/configuration.md; do
  [ -s "$prefix/share/$file" ] || { echo "share/$file is not installed"; exit 1; }
done
# Every page of the tree is installed and packaged, and links to nothing beside it that is not.
for page in "$source"/docs/*; do
  name=$(basename "$page")
  [ -e "$prefix/share/doc/qloader/$name" ] || { echo "docs/$name is not installed"; exit 1; }
  grep -qxE "docs/$name(/\*)?" "$source"/pkgconfig/debian/*.docs "$source"/pkgconfig/debian/*.examples || { echo "docs/$name is in no package"; exit 1; }
done
grep -ohE '\]\([a-z][^)#: ]*' "$prefix"/share/doc/qloader/*.md | cut -c3- | sort -u | while read -r link; do
  [ -e "$prefix/share/doc/qloader/$link" ] || { echo "an installed page links to $link, which is not installed"; exit 1; }
done
! grep -rIl -e "$tmp" -e "$build" -e "$source" "$prefix/share" || { echo "an installed text names a folder of the build"; exit 1; }
man -M "$prefix/share/man" -w qloader qloader-project-list > /dev/null

cat > "$tmp/project/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(stranger LANGUAGES C CXX)
find_package(qloader 0.1 REQUIRED)
foreach(form qloader qloader_static)
  add_executable(${form}_c main.c)
  add_executable(${form}_cpp main.cpp)
  target_link_libraries(${form}_c PRIVATE qloader::${form})
  target_link_libraries(${form}_cpp PRIVATE qloader::${form})
endforeach()
CMAKE
quiet cmake -S "$tmp/project" -B "$tmp/project/build" -DCMAKE_PREFIX_PATH="$prefix"
quiet cmake --build "$tmp/project/build"
export PKG_CONFIG_PATH="$libdir/pkgconfig"
cc "$tmp/project/main.c" -o "$tmp/project/pc_c" $(pkg-config --cflags --libs qloader)
c++ "$tmp/project/main.cpp" -o "$tmp/project/pc_cpp" $(pkg-config --cflags --libs qloader)
cc "$tmp/project/main.c" -o "$tmp/project/pc_static" $(pkg-config --static --cflags --libs qloader | sed 's/-lqloader /-l:libqloader.a /')

for form in build/qloader_c build/qloader_cpp pc_c pc_cpp; do finds_it env LD_LIBRARY_PATH="$libdir" "$tmp/project/$form"; done
for form in build/qloader_static_c build/qloader_static_cpp pc_static; do
  if ldd "$tmp/project/$form" | grep -q libqloader; then echo "$form needs the shared library"; exit 1; fi
  finds_it "$tmp/project/$form"
done
nm -g --defined-only "$libdir/libqloader.a" | awk 'NF == 3 && $3 !~ /^ql_[a-z]/ { print "the static library exports " $3; bad = 1 } END { exit bad }'
"$prefix/bin/qloader" --version
"$prefix/bin/qloader" search --workspace "$tmp/kb" "how to start" | grep -q start.md
echo "installed: $(du -sk "$prefix" | cut -f1) kB in all, library $(stat -Lc %s "$libdir/libqloader.so") bytes"
