#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Builds the sample programs of test_symbols into a directory, every way that programs are built.
#     build.sh DIRECTORY        CC, CXX and CLANG from the environment
# What this machine has no compiler for (musl, 32 bit) is left out; the test says so.
set -eu
src=$(dirname "$0")
out=$1
CC=${CC:-gcc}
CXX=${CXX:-g++}
CLANG=${CLANG:-clang}
rm -rf "$out"
mkdir -p "$out/debug"

c() { # name compiler flags...
	name=$1
	compiler=$2
	shift 2
	"$compiler" -std=gnu11 -g -pthread "$src/waits.c" "$@" -o "$out/$name"
}
cxx() { # name flags...
	name=$1
	shift
	"$CXX" -std=c++17 -g -pthread "$@" "$src/waits.cc" -o "$out/$name"
}

nofp="-O2 -fomit-frame-pointer"
"$CC" -std=gnu11 -g -O0 -fPIC -shared -pthread "$src/libsite.c" -o "$out/libsite-O0.so"
"$CC" -std=gnu11 -g $nofp -fPIC -shared -pthread "$src/libsite.c" -o "$out/libsite-O2.so"
lib="-DWITH_LIB -Wl,-rpath,\$ORIGIN -L$out"
for kind in pie nopie; do
	pie="-fPIE -pie"
	[ $kind = pie ] || pie="-fno-pie -no-pie"
	c "c-O0-$kind" "$CC" -O0 $pie $lib -l:libsite-O0.so
	c "c-O2-$kind" "$CC" -O2 -fno-omit-frame-pointer $pie $lib -l:libsite-O2.so
	c "c-O2-nofp-$kind" "$CC" $nofp $pie $lib -l:libsite-O2.so
	cxx "cxx-O0-$kind" -O0 $pie
	cxx "cxx-O2-$kind" -O2 -fno-omit-frame-pointer $pie
	cxx "cxx-O2-nofp-$kind" $nofp $pie
done
c c-O2-noplt "$CC" $nofp -fno-plt -fPIE -pie
c c-dwarf4 "$CC" -O2 -gdwarf-4 -fPIE -pie
c c-static "$CC" $nofp -static
c c-O0-clang "$CLANG" -O0 -fPIE -pie || echo "no clang" >&2
c c-clang "$CLANG" $nofp -fPIE -pie || echo "no clang" >&2
c c-lld "$CLANG" $nofp -fPIE -pie -fuse-ld=lld || echo "no lld" >&2

# Separate debug files: by build id, by link beside the program, by link in the debug root.
split() { # from name
	objcopy --only-keep-debug "$out/$1" "$2"
}
id=$(readelf -n "$out/c-O2-nofp-pie" | sed -n 's/.*Build ID: //p')
mkdir -p "$out/debug/.build-id/$(echo "$id" | cut -c1-2)"
split c-O2-nofp-pie "$out/debug/.build-id/$(echo "$id" | cut -c1-2)/$(echo "$id" | cut -c3-).debug"
strip -s "$out/c-O2-nofp-pie" -o "$out/c-by-id"

c c-by-link "$CC" -O2 -Wl,--build-id=none -fPIE -pie
split c-by-link "$out/c-by-link.debug"
strip -s "$out/c-by-link"
objcopy --add-gnu-debuglink="$out/c-by-link.debug" "$out/c-by-link"
mkdir -p "$out/.debug"
mv "$out/c-by-link.debug" "$out/.debug/"

# A link to a file that has changed since.
cp "$out/.debug/c-by-link.debug" "$out/c-wrong-link.debug"
cp "$out/c-by-link" "$out/c-wrong-link"
objcopy --remove-section=.gnu_debuglink "$out/c-wrong-link"
objcopy --add-gnu-debuglink="$out/c-wrong-link.debug" "$out/c-wrong-link"
echo >> "$out/c-wrong-link.debug"

cp "$out/c-O2-nofp-nopie" "$out/c-stripped"
strip -s "$out/c-stripped"

"${MUSL_CC:-musl-gcc}" -std=gnu11 -g $nofp -static -pthread -DNO_MACHINE_CODE "$src/waits.c" \
	-o "$out/c-musl-static" 2>/dev/null || rm -f "$out/c-musl-static"
"$CC" -std=gnu11 -g -O0 -m32 -pthread "$src/waits.c" -o "$out/c-m32" 2>/dev/null ||
	rm -f "$out/c-m32"
touch "$out/built"
