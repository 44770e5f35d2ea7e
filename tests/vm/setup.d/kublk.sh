# SPDX-License-Identifier: Apache-2.0
# The kernel's own ublk server, from its self tests: a peer for the benchmarks. It is built against
# the libraries of Debian's next release, in a folder of its own, and linked statically.

kublk_tools=(base-files bash coreutils gcc libc6-dev liburing-dev linux-libc-dev)
kublk_sources=(kublk null file_backed common stripe fault_inject batch)

# build_kublk WORK: fills WORK/piece.
build_kublk() {
	local work=$1 source=$1/source root=$1/root
	refresh_host_lists
	unpack_kublk "$work" "$source"
	mmdebstrap --quiet --mode=root --variant=extract --keyring="$keyring" \
		--aptopt='Acquire::Check-Valid-Until "false"' \
		--include="$(IFS=, && echo "${kublk_tools[*]}")" forky "$root" "$(mirror_url)" >&2 ||
		die "no Debian forky at $(mirror_url); set ZQUBLKD_VM_MIRROR to a mirror that has it"
	mkdir -p "$root/src/uapi/linux"
	cp "$source"/tools/testing/selftests/ublk/*.[ch] "$root/src/"
	cp "$source/include/uapi/linux/ublk_cmd.h" "$root/src/uapi/linux/"
	chroot "$root" bash -c "cd /src && gcc -O3 -static -w -D_GNU_SOURCE -Iuapi -o kublk ${kublk_sources[*]/%/.c} -luring -lpthread -lm"
	cp "$root/src/kublk" "$work/piece/kublk"
	head -n 4 "$source/Makefile" | sed -n 's/^\(VERSION\|PATCHLEVEL\|SUBLEVEL\) = //p' | paste -sd . |
		sed 's/^/kublk of Linux /' >"$work/piece/version"
}

# unpack_kublk WORK FOLDER: the parts of the kernel's source that are needed.
unpack_kublk() {
	local work=$1 folder=$2 tar
	apt_for "$work/apt" trixie-backports
	unpack "$work/deb" linux-source-7.3
	tar=$(ls "$work"/deb/usr/src/linux-source-7.3.tar.*)
	mkdir -p "$folder"
	tar -xf "$tar" -C "$folder" --strip-components=1 --wildcards \
		'*/Makefile' '*/tools/testing/selftests/ublk' '*/include/uapi/linux/ublk_cmd.h' --exclude='*/*/Makefile'
}
