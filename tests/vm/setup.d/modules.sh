# SPDX-License-Identifier: Apache-2.0
# The kernel modules the guest can load: a few dozen of thousands, unpacked, with what they need.

early_modules=(virtio_pci virtio_blk virtio_console crc32c_generic erofs overlay configfs)

guest_modules=(
	ublk_drv null_blk brd loop nbd zram scsi_debug sd_mod sg
	btrfs f2fs xfs zonefs ext4 vfat isofs fuse nls_ascii nls_cp437 nls_utf8
	nvme nvme-core nvme-loop nvmet nvme-fabrics nvme-tcp nvmet-tcp
	dm-mod dm-zoned dm-flakey dm-delay dm-log-writes dm-crypt dm-thin-pool dm-verity dm-snapshot
	configfs binfmt_misc tun veth dummy vhost_vsock
	crc32c crc32c_generic crc32c_intel crc32_generic crc32 xxhash_generic blake2b_generic blake2b sha256_generic
	sha256_ssse3 sha256 aes_generic aesni_intel xts cbc lzo lz4 zstd deflate raid6_pq xor
	bfq mq-deadline kyber-iosched
	autofs4 efivarfs virtio_net virtio_rng virtio_scsi
)

# pick_modules WORK RELEASE: WORK/modules/usr gets the modules and their indexes, from WORK/tree/usr.
pick_modules() {
	depmod -b "$1/tree/usr" "$2"
	copy_modules "$1/tree/usr" "$1/modules/usr" "$2" "${early_modules[@]}" "${guest_modules[@]}"
}

# copy_modules FROM TO RELEASE NAME...: those of the names that are modules in this kernel (others
# are built in, or gone from it), and all that they depend on. FROM and TO hold lib/modules.
copy_modules() {
	local from=$1 to=$2 release=$3 file
	shift 3
	for file in $(module_files "$from" "$release" "$@"); do
		unpack_module "$from/$file" "$to/$file"
	done
	for file in modules.order modules.builtin modules.builtin.modinfo; do
		cp "$from/lib/modules/$release/$file" "$to/lib/modules/$release/"
	done
	depmod -b "$to" "$release"
}

# module_files FROM RELEASE NAME...: paths below FROM, each once.
module_files() {
	local from=$1 release=$2 name
	shift 2
	for name; do
		modprobe -d "$from" -S "$release" --show-depends "$name" 2>/dev/null || true
	done | sed -n "s|^insmod $from/\([^ ]*\).*|\1|p" | sort -u
}

unpack_module() {
	mkdir -p "${2%/*}"
	case $1 in
	*.xz) xz -dc "$1" >"${2%.xz}" ;;
	*.zst) zstd -qdc "$1" >"${2%.zst}" ;;
	*) cp "$1" "$2" ;;
	esac
}
