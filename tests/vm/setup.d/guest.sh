# SPDX-License-Identifier: Apache-2.0
# The guest's userland: Debian's next release, since zoned file systems need newer tools than a
# stable one has. Packages are unpacked, not configured: no maintainer script runs anywhere.

guest_packages=(
	base-files base-passwd bash dash coreutils diffutils findutils gawk grep gzip hostname login
	mount passwd procps psmisc sed tar util-linux util-linux-extra bsdextrautils fdisk xz-utils zstd
	kmod udev systemd systemd-sysv iproute2 dmsetup lvm2 dm-zoned-tools acl attr less file jq make strace python3
	btrfs-progs e2fsprogs f2fs-tools fio nvme-cli qemu-utils xfsprogs zbd-utils zonefs-tools
)

# What no test reads: documentation, translations, desktop files that come with libraries, and the
# hardware database.
guest_ballast=(
	usr/share/{doc,man,info,locale,icons,fonts,gtk-3.0,X11,xkeyboard-config-2,mime,zoneinfo,lintian}
	usr/share/{bash-completion,perl5,zsh,bug,themes} usr/lib/udev/hwdb.d var/cache var/lib/apt boot
)

# build_guest WORK: fills WORK/piece.
build_guest() {
	local work=$1 root=$1/root
	refresh_host_lists
	mmdebstrap --quiet --mode=root --variant=extract --keyring="$keyring" \
		--aptopt='Acquire::Check-Valid-Until "false"' \
		--extract-hook='cd "$1/var/cache/apt/archives" && ls *.deb >"$1/packages"' \
		--include="$(IFS=, && echo "${guest_packages[*]}")" \
		forky "$root" "$(mirror_url)" >&2 ||
		die "no Debian forky at $(mirror_url); set ZQUBLKD_VM_MIRROR to a mirror that has it"
	mv "$root/packages" "$work/piece/packages"
	echo "Debian forky, $(wc -l <"$work/piece/packages") packages" >"$work/piece/version"
	(cd "$root" && rm -rf "${guest_ballast[@]}")
	configure_guest "$root"
	configure_systemd "$root"
	mkfs.erofs --quiet "$work/piece/root.erofs" "$root" >/dev/null
}

# configure_guest ROOT: what maintainer scripts would have done, as far as tests need it.
configure_guest() {
	local root=$1
	sed 's/^root:\*:/root::/' "$root/usr/share/base-passwd/passwd.master" >"$root/etc/passwd"
	cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
	ln -sf gawk "$root/usr/bin/awk"
	ln -sf dash "$root/usr/bin/sh"
	echo zqublkd-vm >"$root/etc/hostname"
	echo '127.0.0.1 localhost zqublkd-vm' >"$root/etc/hosts"
	mkdir -p "$root"/{opt/zqublkd,out,mnt,srv,media,usr/lib/modules,var/{lib,cache,log,tmp}}
	ln -sfn ../run "$root/var/run"
	ln -sfn ../run/lock "$root/var/lock"
}
