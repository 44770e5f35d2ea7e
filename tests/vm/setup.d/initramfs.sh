# SPDX-License-Identifier: Apache-2.0
# The initramfs: as small as can be, since the emulator pays for every byte of it. It only joins the
# images and hands over to the run's own init.

# make_initramfs WORK RELEASE: WORK/piece/initrd, uncompressed.
make_initramfs() {
	local work=$1 root=$1/initramfs release=$2
	mkdir -p "$root"/{bin,dev,proc,sys,mnt}
	cp /bin/busybox "$root/bin/busybox"
	install -m 755 "$here/guest/early" "$root/init"
	copy_modules "$work/modules/usr" "$root" "$release" "${early_modules[@]}"
	(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$work/piece/initrd"
}
