# SPDX-License-Identifier: Apache-2.0
# A Debian kernel: its uncompressed image, its modules for the guest, its initramfs.

# build_kernel WORK SERIES: fills WORK/piece.
build_kernel() {
	local work=$1 tree=$1/tree release
	choose_kernel "$work" "$2"
	unpack "$tree" "${packages[@]}"
	merge_usr "$tree"
	release=$(ls "$tree/usr/lib/modules")
	echo "$release" >"$work/piece/version"
	vmlinux "$(vmlinuz "$tree" "$release")" "$work/piece/vmlinux"
	pick_modules "$work" "$release"
	mkfs.erofs --quiet "$work/piece/modules.erofs" "$work/modules/usr/lib/modules" >/dev/null
	make_initramfs "$work" "$release"
}

# choose_kernel WORK SERIES: sets `apt` and `packages`. Debian 12 itself has the older series.
choose_kernel() {
	refresh_host_lists
	case $2 in
	6.*) host_kernel "$2" ;;
	*) backported_kernel "$1" "$2" ;;
	esac
}

host_kernel() {
	apt=(-o APT::Sandbox::User=root)
	packages=("$(newest "linux-image-$1." "linux-image-$1\.[0-9]+(-[0-9]+|\+deb[0-9]+)-amd64")")
	[ -n "${packages[*]}" ] || die "apt knows no linux-image-$1.*-amd64; is bookworm-security among its sources?"
}

# backported_kernel WORK SERIES: from 7.0 on the image package is empty and these three hold the kernel.
backported_kernel() {
	local release
	apt_for "$1/apt" trixie-backports
	release=$(newest "linux-binary-$2." "linux-binary-$2\.[0-9]+\+deb13-amd64")
	release=${release#linux-binary-}
	[ -n "$release" ] ||
		die "no linux-binary-$2.*+deb13-amd64 at $(mirror_url); set ZQUBLKD_VM_MIRROR to a mirror that has it"
	packages=("linux-binary-$release" "linux-modules-$release" "linux-base-$release")
}

# merge_usr TREE: older packages have /lib where newer ones have /usr/lib.
merge_usr() {
	[ -d "$1/lib" ] || return 0
	mkdir -p "$1/usr/lib"
	cp -a --link "$1/lib/." "$1/usr/lib/"
	rm -r "$1/lib"
}

vmlinuz() {
	local file
	for file in "$1/boot/vmlinuz-$2" "$1/usr/lib/modules/$2/vmlinuz"; do
		[ ! -f "$file" ] || echo "$file"
	done
}

# vmlinux BZIMAGE OUT: the ELF kernel inside, which boots through PVH without unpacking itself under
# emulation. Where it lies: the kernel's Documentation/arch/x86/boot.rst, fields setup_sects (0x1f1),
# payload_offset (0x248) and payload_length (0x24c); its last 4 bytes are the unpacked size.
vmlinux() {
	local image=$1 out=$2 start length
	start=$((($(number "$image" 0x1f1 1) + 1) * 512 + $(number "$image" 0x248 4)))
	length=$(($(number "$image" 0x24c 4) - 4))
	head -c $((start + length)) "$image" | tail -c "$length" >"$out.packed"
	case $(head -c 4 "$out.packed" | od -An -tx1 | tr -d ' ') in
	28b52ffd) zstd -qdc "$out.packed" >"$out" ;;
	fd377a58) xz -dc "$out.packed" >"$out" ;;
	*) die "$image is packed in a way this script does not know" ;;
	esac
	rm "$out.packed"
}

# number FILE OFFSET BYTES: a little-endian number.
number() {
	od -An -t "u$3" -j "$(($2))" -N "$3" "$1" | tr -d ' '
}
